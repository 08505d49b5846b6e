r"""Text from the collector, made fit for a terminal.

User names, commands and log lines are written by whoever attacks a host. A terminal obeys what it
is shown: escape sequences move the cursor, change the title, paint over lines; bidirectional marks
turn the order of letters round. And a name with two spaces in it looks like two columns.

What is shown is what bash takes: ``'two words'``, ``$'\x1b[2J'``.
"""

from __future__ import annotations

import re

# Letters, signs and marks by their category, and blank all the same: they would pass for a gap or
# for nothing (Unicode's Default_Ignorable_Code_Point, of what is printable).
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
# What a shell takes for something else, what would look like another field, and "-" for nothing.
_NOT_PLAIN = re.compile(r"""[\s"'\\$`&|;<>()\[\]{}*?!#~^=]|^-?$""")


def is_printable(text: str) -> bool:
    """Return whether every letter of ``text`` can be seen, or is a space."""
    return text.isprintable() and not _BLANK.search(text)


def visible(value: object) -> str:
    r"""Return ``value`` as one line of printable text; what is not printable is written ``\x1b``.

    Printable is what Unicode says (``str.isprintable``): no controls, no formatting characters
    such as bidirectional marks, no separators but the space, no surrogates, nothing unassigned;
    and nothing that only looks like a space. Where anything is written so, a backslash is
    written ``\\``.
    """
    text = str(value)
    return text if is_printable(text) else _escaped(text, "\\")


def shown(value: object) -> str:
    r"""Return ``value`` for a line of its own: as it is, or ``$'\x1b'`` where need be."""
    text = str(value)
    plain = is_printable(text) and not text.startswith("$'")
    return text if plain else _in_quotes(text)


def quoted(value: object) -> str:
    r"""Return ``value`` as one word that nobody takes for two, or for another field.

    Quoted as bash takes it: ``alice``, ``'two words'``, ``$'\x1b[2J'``.
    """
    text = str(value)
    if not is_printable(text) or "'" in text:
        return _in_quotes(text)
    return f"'{text}'" if _NOT_PLAIN.search(text) else text


def visible_lines(text: str) -> str:
    """Return ``text`` with its line breaks kept, for output that has lines of its own."""
    return "\n".join(visible(line.removesuffix("\r")) for line in text.split("\n"))


def counted(number: object, noun: str) -> str:
    """Return ``1 event``, ``2 events``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _in_quotes(text: str) -> str:
    return "$'" + _escaped(text, "\\'") + "'"


def _escaped(text: str, special: str) -> str:
    return "".join(
        letter if is_printable(letter) and letter not in special else _escape(letter)
        for letter in text
    )


def _escape(letter: str) -> str:
    if letter in "\\'":
        return "\\" + letter
    # Python would write \x9b, which to bash is a byte and no letter.
    if "\x80" <= letter <= "\uffff":
        return f"\\u{ord(letter):04x}"
    if letter > "\uffff":
        return f"\\U{ord(letter):08x}"
    return letter.encode("unicode_escape").decode("ascii")
