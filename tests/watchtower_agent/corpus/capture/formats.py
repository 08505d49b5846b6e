#!/usr/bin/env python3
"""List what sshd can log: every format string at level VERBOSE or above, from OpenSSH's sources.

    formats.py LIST 8.4=DIRECTORY 9.2=DIRECTORY 10.0=DIRECTORY

DIRECTORY holds the sources of one version with the distribution's patches applied. LIST, which is
../sshd/formats.jsonl, is written anew; what was classified by hand (``concerns``, ``details``,
``because``) stays with its format. A format that is new gets ``"concerns": "?"`` until somebody
reads it. README.md beside this file says what all that means.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from c_source import Call, CSource, NotALiteralError, literal

# Makefile.in: what sshd, sshd-session and sshd-auth are linked from.
PROGRAMS = ("LIBSSH_OBJS", "SSHDOBJS", "SSHD_SESSION_OBJS", "SSHD_AUTH_OBJS")
# Files of which no line is about who logs in, and what they are for.
LEFT_OUT = {
    "addrmatch": "configuration",
    "channels": "forwarding and the channels of a session",
    "cipher-aes": "ciphers",
    "cipher-ctr": "ciphers",
    "dh": "primes for the key exchange",
    "dns": "the client's check of host keys",
    "entropy": "the random number generator",
    "gss-genr": "error texts, which gss-serv.c and others print",
    "hostfile": "known_hosts",
    "kexgssc": "the client's side of the key exchange",
    "krl": "the format of key revocation lists",
    "misc": "strings, paths, the starting of commands",
    "moduli": "primes for the key exchange",
    "monitor_fdpass": "file descriptors that the monitor hands to its child",
    "msg": "messages between processes",
    "nchan": "channels of a session",
    "platform-tracing": "ptrace",
    "readpass": "questions on the client's terminal",
    "sandbox-capsicum": "sandboxes",
    "sandbox-darwin": "sandboxes",
    "sandbox-pledge": "sandboxes",
    "sandbox-rlimit": "sandboxes",
    "sandbox-seccomp-filter": "sandboxes",
    "sandbox-solaris": "sandboxes",
    "sandbox-systrace": "sandboxes",
    "servconf": "configuration",
    "sftp-common": "file transfer",
    "sftp-server": "file transfer",
    "ssh-pkcs11": "keys on smart cards",
    "ssh-sk-client": "keys on FIDO tokens",
    "sshpty": "terminals of a session",
    "ttymodes": "terminals of a session",
    "xmalloc": "memory",
}
LEVELS = ("fatal", "error", "info", "verbose")
# log.h and log.c: logdie() logs at INFO, and what a level puts in front of the line.
MACROS = {
    "fatal": "fatal",
    "sigdie": "fatal",
    "error": "error",
    "logit": "info",
    "logdie": "info",
    "verbose": "verbose",
}
PREFIX = {"fatal": "fatal: ", "error": "error: "}
LOG_CALLS = rf"(?:{'|'.join(MACROS)}|do_log2)(?:_f|_r|_fr)?|ssh_packet_disconnect|sshpkt_fatal"
# Calls that print what others hand them: packet.c's two are listed with each of their callers, and
# monitor.c's repeats, with a suffix, what its child said.
PASSED_ON = {"%s [preauth]", "Disconnecting {remote}: %.100s", "%s%sConnection from {remote}: %s"}
# Calls of auth*.c whose first value is a variable that decides what the line means: the variable,
# and the files in which it gets its text.
CHOICES = {
    "authmsg": ("auth.c",),
    "reason": ("sshkey.c", "auth2-pubkey.c", "auth2-pubkeyfile.c"),
}
_CONVERSION = re.compile(
    r"%(?:%|[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*)?)?(?:hh|h|ll|l|z|j|t)?[a-zA-Z])"
)


@dataclass
class Format:
    """One format string as the log shows it, and where it stands."""

    levels: set[str] = field(default_factory=set)
    sites: dict[str, set[str]] = field(default_factory=dict)  # site: versions


def main(arguments: list[str]) -> int:
    """Write the list of these sources."""
    if len(arguments) < 2:
        sys.stderr.write(f"{__doc__}\n")
        return 64
    path, sources = Path(arguments[0]), dict(source.split("=", 1) for source in arguments[1:])
    found: dict[str, Format] = {}
    for version, directory in sources.items():
        for source in source_files(Path(directory)):
            for text, level, function in formats_of(source):
                known = found.setdefault(text, Format())
                known.levels.add(level)
                known.sites.setdefault(f"{source.name}, {function}()", set()).add(version)
    old = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    classified = {record["format"]: record for record in map(json.loads, old)}
    records = [
        record_of(text, found[text], list(sources), classified.get(text, {})) for text in found
    ]
    records.sort(key=lambda record: (list(record["sites"]), record["format"]))
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    path.write_text("".join(lines), encoding="utf-8")
    return 0


def record_of(text: str, known: Format, versions: list[str], classified: dict) -> dict:
    """Return a line of the list."""
    sites = {
        site: [version for version in versions if version in in_versions]
        for site, in_versions in sorted(known.sites.items())
    }
    judged = {
        name: classified[name] for name in ("concerns", "details", "because") if name in classified
    }
    return {
        "format": text,
        "levels": [level for level in LEVELS if level in known.levels],
        "sites": sites,
        **(judged or {"concerns": "?"}),
    }


def source_files(directory: Path) -> list[Path]:
    """Return the C files that sshd's programs are made of, by Makefile.in."""
    makefile = (directory / "Makefile.in").read_text().replace("\\\n", " ")
    variables = dict(re.findall(r"^(\w+)\s*=(.*)$", makefile, re.MULTILINE))

    def objects(name: str) -> set[str]:
        names: set[str] = set()
        for word in variables.get(name, "").split():
            inner = re.fullmatch(r"\$[({](\w+)[)}]", word)
            names |= objects(inner[1]) if inner else {word}
        return names

    names = {name.removesuffix(".o") for program in PROGRAMS for name in objects(program)}
    paths = [directory / f"{name}.c" for name in sorted(names - LEFT_OUT.keys())]
    return [path for path in paths if path.exists()]


def formats_of(path: Path) -> list[tuple[str, str, str]]:
    """Return each format string of a file with its level and its function."""
    found: list[tuple[str, str, str]] = []
    for call in CSource(path.read_text(errors="replace")).calls(LOG_CALLS):
        try:
            printed = list(read_call(call))
        except NotALiteralError as error:
            sys.stderr.write(f"{path}:{call.line}: {call.name}: not a literal: {error}\n")
            continue
        for text, level in printed:
            if text.removeprefix(PREFIX.get(level, "")) not in PASSED_ON:
                found += [(chosen, level, call.function) for chosen in choose(text, call, path)]
    return found


def read_call(call: Call) -> list[tuple[str, str]]:
    """Return what one call prints, at each level that it can have."""
    arguments = list(call.arguments)
    if call.name == "ssh_packet_disconnect":
        said = format_string(arguments[1:], call.function)
        return [(f"Disconnecting {{remote}}: {said}", "info")]
    if call.name == "sshpkt_fatal":
        where = format_string(arguments[2:], call.function)
        return [(f"{where}: Connection from {{remote}}: %s", "info")]
    name, _, kind = call.name.partition("_")
    if call.name.startswith("do_log2"):
        name, _, kind = call.name.removeprefix("do_").partition("_")
    if "r" in kind:
        del arguments[0]
    levels = [MACROS[name]] if name in MACROS else levels_of(arguments.pop(0), call.body)
    text = format_string(arguments, call.function)
    if "f" in kind:
        text = f"{call.function}: {text}"
    if "r" in kind:
        text += ": %s"
    return [(PREFIX.get(level, "") + text, level) for level in levels]


def levels_of(expression: str, body: str) -> list[str]:
    """Return the levels that an expression, or what was put into a variable, can stand for."""
    if not expression.startswith("SYSLOG_LEVEL") and "?" not in expression:
        values = re.findall(rf"\b{re.escape(expression)}\s*=\s*([^;]*)", body)
        expression = " ".join(values)
    levels = {name.lower() for name in re.findall(r"SYSLOG_LEVEL_(\w+)", expression)}
    return sorted(levels.intersection(LEVELS)) or ["info"]


def format_string(arguments: list[str], function: str) -> str:
    """Return a call's format, with what is known of its values put in.

    ``{remote}`` is what packet.c, sshpkt_fmt_connection_id() prints: an address and a port, after
    the name of a user if the client has given one.
    """
    text = literal(arguments[0])
    values = iter(arguments[1:])

    def convert(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return match[0]
        for _ in range(match[0].count("*")):
            next(values, "")
        value = next(values, "")
        if value.startswith("ssh->state->server_side ?"):
            return "from"
        return {"__func__": function, "remote_id": "{remote}"}.get(value, match[0])

    return _CONVERSION.sub(convert, text)


def choose(text: str, call: Call, path: Path) -> list[str]:
    """Return a format once for each text that the word which decides its meaning can be."""
    variable = next((name for name in CHOICES if name in call.arguments[1:3]), None)
    if variable is None or not path.name.startswith("auth"):
        return [text]
    sources = [path.parent / name for name in CHOICES[variable]]
    texts = {
        value
        for source in sources
        if source.exists()
        for value in CSource(source.read_text(errors="replace")).assigned(variable)
    }
    return [text.replace("%s", value, 1) for value in sorted(texts)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
