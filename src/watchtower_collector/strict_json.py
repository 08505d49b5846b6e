"""JSON as RFC 8259 has it: no NaN, no Infinity, UTF-8 only, and bounded."""

from __future__ import annotations

import json
from typing import NoReturn


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON (RFC 8259, section 6)")


def loads(body: bytes) -> object:
    """Return the value of a JSON text.

    Raises:
        ValueError: not UTF-8, not JSON, NaN or Infinity, nested too deeply, or a number of
            thousands of digits. The message says what and where, and quotes nothing of the body.
    """
    try:
        value: object = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise ValueError(f"the body is not UTF-8: byte {error.start} is wrong") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise ValueError("the body is nested too deeply: an event is one flat object") from None
    return value
