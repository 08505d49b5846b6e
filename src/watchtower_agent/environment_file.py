"""Reads a file of settings as systemd reads an ``EnvironmentFile=``: systemd.exec(5).

systemd passes over what it cannot understand, at most with a line in the journal, and the service
starts without that setting. So what it passes over is named here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NEWLINE = "\n\r"
_WHITESPACE = " \t\n\r"
_COMMENT = "#;"
# What a backslash makes plain within double quotes; before anything else it stays a backslash.
_ESCAPABLE = '"\\`$'


@dataclass
class EnvironmentFile:
    """What such a file says.

    Attributes:
        values: the variables, as the service gets them.
        mistakes: sentences that begin with the line's number and name neither value nor secret.
    """

    values: dict[str, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)


def parse_environment_file(content: bytes) -> EnvironmentFile:
    """Return what a file holds; nothing in it is an error of the parser's own.

    The states are those of systemd's parse_env_file_internal (src/basic/env-file.c).
    """
    return _Parser(content).parse()


class _Parser:
    def __init__(self, content: bytes) -> None:
        self._result = EnvironmentFile()
        self._text = content.decode("utf-8", "replace")
        if "\0" in self._text:
            self._mistake(self._text[: self._text.index("\0")].count("\n") + 1, "holds a NUL byte")
            self._text = self._text.partition("\0")[0]
        elif "\ufffd" in self._text:
            line = self._text[: self._text.index("\ufffd")].count("\n") + 1
            self._mistake(line, "is not UTF-8, and systemd refuses the whole file")
        self._at = 0

    def parse(self) -> EnvironmentFile:
        while self._at < len(self._text):
            character = self._text[self._at]
            if character in _COMMENT:
                self._comment()
            elif character in _WHITESPACE:
                self._at += 1
            else:
                self._assignment()
        return self._result

    def _mistake(self, line: int, sentence: str) -> None:
        self._result.mistakes.append(f"line {line}: it {sentence}")

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _comment(self) -> None:
        line = self._line()
        while self._at < len(self._text) and self._text[self._at] not in _NEWLINE:
            self._at += 1
        if self._text[self._at - 1] == "\\":
            self._mistake(
                line,
                "is a comment that ends with a backslash, and systemd before 254 takes the next "
                "line for a part of it; remove the backslash",
            )

    def _assignment(self) -> None:
        line = self._line()
        begin = self._at
        while self._at < len(self._text) and self._text[self._at] not in "=" + _NEWLINE:
            self._at += 1
        name = self._text[begin : self._at].rstrip(_WHITESPACE)
        if self._at == len(self._text) or self._text[self._at] != "=":
            # What stands there is not shown: it may be a token that lost its name.
            self._mistake(line, "has no = sign and is ignored; write NAME=VALUE")
            return
        self._at += 1
        value = self._value()
        if not _NAME.fullmatch(name):
            self._mistake(
                line,
                f"sets {name[:40]!r}, which is not the name of a variable, and is ignored; "
                "write NAME=VALUE, without 'export'",
            )
            return
        if "\n" in value:
            self._mistake(
                line, f"begins a value of {name} that goes on in the next line; close its quote"
            )
        self._result.values[name] = value

    def _value(self) -> str:
        """Read quoted and bare pieces up to the end of the line."""
        value = ""
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character in _NEWLINE:
                break
            if character == "'":
                value += self._single_quoted()
            elif character == '"':
                value += self._double_quoted()
            elif character not in _WHITESPACE:
                self._at -= 1
                # Bare text goes to the end of the line; a quote in the middle of it is a quote.
                return value + self._bare()
        return value

    def _bare(self) -> str:
        value = ""
        kept = 0  # up to here trailing whitespace was escaped, and stays
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character in _NEWLINE:
                break
            if character == "\\":
                escaped = self._text[self._at : self._at + 1]
                self._at += 1
                value += "" if escaped in _NEWLINE else escaped
                kept = len(value)
            else:
                value += character
        return value[:kept] + value[kept:].rstrip(_WHITESPACE)

    def _single_quoted(self) -> str:
        begin = self._at
        while self._at < len(self._text) and self._text[self._at] != "'":
            self._at += 1
        self._at += 1
        return self._text[begin : self._at - 1]

    def _double_quoted(self) -> str:
        value = ""
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                break
            if character == "\\":
                escaped = self._text[self._at : self._at + 1]
                self._at += 1
                if escaped and escaped in _ESCAPABLE:
                    value += escaped
                elif escaped not in ("\n", ""):
                    value += "\\" + escaped
            else:
                value += character
        return value
