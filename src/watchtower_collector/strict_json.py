"""JSON as RFC 8259 has it: no NaN, no Infinity, UTF-8 only, and bounded."""

from __future__ import annotations

import json
import math
from typing import NoReturn

# Values and members that a text may have, at any depth. They take up to a hundred times their size
# in memory, all at once, so they are counted before. 1,000 events with every field need 56,001.
MAX_VALUES = 64_000
# What stands before each of them, or before nothing; the text as a whole is one more.
_BEFORE_VALUES = b",[{"
_INT64_CHARACTERS = 20  # of the longest whole number of 64 bits, its sign included


class TooManyValuesError(Exception):
    """A JSON text has more than ``MAX_VALUES`` values; nothing of it was read."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON (RFC 8259, section 6)")


def _whole_number(digits: str) -> int | float:
    # Python takes quadratic time for long ones, and no more than 4,300 digits.
    return int(digits) if len(digits) <= _INT64_CHARACTERS else math.inf


_decode = json.JSONDecoder(parse_int=_whole_number, parse_constant=_refuse_constant).decode


def _count(text: bytes | bytearray) -> int:
    return len(text) - len(text.translate(None, _BEFORE_VALUES))


def _check_size(text: bytes | bytearray) -> None:
    """Count values without reading the text.

    Raises:
        TooManyValuesError: there are too many.
    """
    if len(text) <= MAX_VALUES or _count(text) <= MAX_VALUES:
        return
    # Perhaps what was counted stands in strings: look at what is between them. Members have two.
    bare = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 4 * MAX_VALUES or _count(b"".join(bare.split(b'"')[::2])) > MAX_VALUES:
        raise TooManyValuesError


def loads(body: bytes | bytearray) -> object:
    """Return the value of a JSON text. A whole number of more than 64 bits may become infinity.

    Raises:
        ValueError: not UTF-8, not JSON, NaN or Infinity, or nested too deeply. The message says
            what and where, and quotes nothing of the body.
        TooManyValuesError: it has more than ``MAX_VALUES`` values.
    """
    _check_size(body)
    try:
        value: object = _decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"the body is not UTF-8: byte {error.start} is wrong") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise ValueError("the body is nested too deeply: an event is one flat object") from None
    return value
