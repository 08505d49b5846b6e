r"""Text from the collector, made fit for a terminal.

User names, commands and log lines are written by whoever attacks a host. A terminal obeys what it
is shown: escape sequences move the cursor, change the title, paint over lines; bidirectional marks
turn the order of letters round.
"""

from __future__ import annotations


def visible(value: object) -> str:
    r"""Return ``value`` as one line of printable text; what is not printable is written ``\x1b``.

    Printable is what Unicode says (``str.isprintable``): no controls, no formatting characters
    such as bidirectional marks, no separators but the space, no surrogates, nothing unassigned.
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def visible_lines(text: str) -> str:
    """Return ``text`` with its line breaks kept, for output that has lines of its own."""
    return "\n".join(visible(line.removesuffix("\r")) for line in text.split("\n"))
