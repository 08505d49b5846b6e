"""A journal entry's address, as journalctl prints it in ``__CURSOR`` and takes it back."""

from __future__ import annotations

import re
from typing import NamedTuple

_FORM = re.compile(
    r"s=[^;]*;i=[^;]*;b=(?P<b>[^;]+);m=(?P<m>[0-9a-f]+);t=(?P<t>[0-9a-f]+);x=(?P<x>[^;]+)"
)


class Cursor(NamedTuple):
    """What a cursor says about its entry.

    systemd calls cursors opaque, and journalctl gets them back as they came. But which entries
    are the same one, and which comes first, nothing else tells for an entry that was copied to
    another file. The parts are ``s`` and ``i``, file and number within it, ``b`` boot, ``m``
    monotonic and ``t`` real time, ``x`` hash of the fields: sd_journal_get_cursor() in
    sd-journal.c, the same in systemd 247 to 257.

    Attributes:
        identity: the same for an entry and its copies: for the journal of /run that journald
            flushes to /var, for example.
        boot_id: its boot, or "".
        monotonic: microseconds since that boot, or None.
        realtime: microseconds since 1970, or None.
    """

    identity: tuple[str, ...]
    boot_id: str
    monotonic: int | None
    realtime: int | None

    @property
    def moment(self) -> tuple[str, int | None]:
        """What entries share that journald wrote at once."""
        return self.boot_id, self.monotonic

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Return what a cursor says; of one in another form, that it is equal to itself."""
        form = _FORM.fullmatch(text)
        if form is None:
            return cls((text,), "", None, None)
        boot_id, monotonic, realtime, _ = parts = form.groups()
        return cls(parts, boot_id, int(monotonic, 16), int(realtime, 16))
