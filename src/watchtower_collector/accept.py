"""The ``Accept`` header: which form of an answer a client would rather have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# RFC 9110, section 12.4.2.
_WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?", re.ASCII)


def preferred(accept: str, offered: Sequence[str]) -> str:
    """Return the media type of ``offered`` with the highest weight (RFC 9110, section 12.5.1).

    Of several, it is the one whose range stands first in ``accept``, then the one offered first.
    If it is none of them, the header is as good as absent: the first one offered is returned.
    """
    ranges = dict(_ranges(accept))
    best, best_rank = offered[0], (0.0, 0)
    for media_type in offered:
        # The most specific range that holds it says its weight, also where another has more.
        names = (media_type, media_type.partition("/")[0] + "/*", "*/*")
        rank = next((ranges[name] for name in names if name in ranges), (0.0, 0))
        if rank[0] and rank > best_rank:
            best, best_rank = media_type, rank
    return best


def _ranges(accept: str) -> Iterator[tuple[str, tuple[float, int]]]:
    """Give each range with its weight and its place, the first one highest."""
    for place, part in enumerate(accept.lower().split(",")):
        name, *parameters = (word.strip() for word in part.split(";"))
        weights = [word[2:] for word in parameters if word.startswith("q=")]
        weight = weights[0] if weights else "1"
        if _WEIGHT.fullmatch(weight):
            yield name, (float(weight), -place)
