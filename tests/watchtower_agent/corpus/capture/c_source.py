"""Just enough C to find calls, their arguments and the function they stand in.

OpenSSH's style helps: a function's name begins its line, its body's brace stands in column 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"(?P<comment>/\*.*?\*/|//[^\n]*)"
    r"|(?P<string>\"(?:\\.|[^\"\\])*\")"
    r"|(?P<char>'(?:\\.|[^'\\])*')",
    re.DOTALL,
)
_PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
_FUNCTION = re.compile(
    r"^(?:[A-Za-z_][\w \t*]*[ \t*])?([A-Za-z_]\w*)\([^;{}]*\)\s*\{", re.MULTILINE
)
_STRING = re.compile(r'"((?:\\.|[^"\\])*)"')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
# Macros of inttypes.h between literals; the length of a number does not matter here.
_PRINTF_MACROS = {"PRIu64": '"llu"', "PRId64": '"lld"', "PRIx64": '"llx"'}


class NotALiteralError(ValueError):
    """An expression that is more than string literals side by side."""


@dataclass(frozen=True)
class Call:
    """One call: what was called, with which arguments (as written), in which function."""

    name: str
    arguments: list[str]
    function: str
    body: str  # the function up to the call
    line: int


class CSource:
    """One C file."""

    def __init__(self, text: str) -> None:
        self.text = _TOKEN.sub(
            lambda m: m[0] if m["comment"] is None else "\n" * m[0].count("\n"), text
        )

    @cached_property
    def _bare(self) -> str:
        """The text at the same offsets, without strings' contents and preprocessor lines."""
        bare = _TOKEN.sub(lambda m: '"' + "_" * (len(m[0]) - 2) + '"', self.text)
        return _PREPROCESSOR.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), bare)

    @cached_property
    def _functions(self) -> list[tuple[int, str]]:
        return [(match.start(), match[1]) for match in _FUNCTION.finditer(self._bare)]

    def calls(self, names: str) -> Iterator[Call]:
        """Yield every call of what a regular expression names."""
        for match in re.finditer(rf"\b({names})\s*\(", self._bare):
            if self.text.rfind("\n", 0, match.start()) + 1 == match.start():
                continue  # column 0: the function itself
            before = [found for found in self._functions if found[0] < match.start()]
            if before:
                start, function = before[-1]
                yield Call(
                    match[1],
                    self._arguments(match.end()),
                    function,
                    self.text[start : match.start()],
                    self.text.count("\n", 0, match.start()) + 1,
                )

    def assigned(self, variable: str) -> Iterator[str]:
        """Yield each literal that is put into a variable."""
        for match in re.finditer(rf"\b{variable} = ([^;]*);", self.text):
            for text in _STRING.finditer(re.sub(r'"\s*"', "", match[1])):
                yield _unescaped(text[1])

    def _arguments(self, start: int) -> list[str]:
        """Return the arguments of a call whose parenthesis ends at ``start``."""
        arguments, depth, begin, position = [], 0, start, start
        while True:
            character = self._bare[position]
            if character in "([{":
                depth += 1
            elif character in ")]}" and depth == 0:
                return [*arguments, self.text[begin:position].strip()]
            elif character in ")]}":
                depth -= 1
            elif character == "," and depth == 0:
                arguments.append(self.text[begin:position].strip())
                begin = position + 1
            position += 1


def literal(expression: str) -> str:
    """Return what string literals side by side stand for.

    Raises:
        NotALiteralError: there is something else in the expression.
    """
    for name, text in _PRINTF_MACROS.items():
        expression = re.sub(rf"\b{name}\b", text, expression)
    strings = _STRING.findall(expression)
    if not strings or _STRING.sub("", expression).strip():
        raise NotALiteralError(expression)
    return _unescaped("".join(strings))


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), text)
