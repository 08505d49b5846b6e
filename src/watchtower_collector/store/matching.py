"""Texts that are looked for: one of several, or of several beginnings."""

from __future__ import annotations

from dataclasses import dataclass

_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)  # no text of the store has them


@dataclass(frozen=True, slots=True)
class Texts:
    """One of ``exact``, or anything that begins with one of ``prefixes``; case counts."""

    exact: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    def match(self, text: str) -> bool:
        """Return whether a text is one of them."""
        return text in self.exact or text.startswith(self.prefixes)

    def without_overlap(self) -> Texts:
        """Return the same without what is said twice: no text matches two of its parts."""
        prefixes: list[str] = []
        for prefix in sorted(self.prefixes):
            if not prefix.startswith(tuple(prefixes)):
                prefixes.append(prefix)
        exact = dict.fromkeys(text for text in self.exact if not text.startswith(tuple(prefixes)))
        return Texts(tuple(exact), tuple(prefixes))

    def ranges(self) -> list[tuple[str, str | None]]:
        """Return the prefixes as ranges: from the first text until before the second.

        A range can use an index; LIKE cannot, and takes upper case for lower case.
        """
        return [(prefix, after_prefix(prefix)) for prefix in self.prefixes]


def after_prefix(prefix: str) -> str | None:
    """Return the least text that sorts after all that begin with ``prefix``, by code points.

    ``None`` when there is none: the prefix is empty, or made of the last code point.
    """
    stem = prefix.rstrip(chr(_LAST_CODE_POINT))
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    if following in _SURROGATES:
        following = _SURROGATES.stop
    return stem[:-1] + chr(following)
