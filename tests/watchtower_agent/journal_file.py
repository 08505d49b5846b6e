"""What lies where in a journal file: journal-def.h, as far as the tests damage it."""

import struct

HEADER_SIZE_AT, INCOMPATIBLE_FLAGS_AT, ARENA_SIZE_AT = 88, 12, 96
# A field's object says which is the first entry that has it, and how many have it.
FIRST_ENTRY_AT, COUNT_AT, PAYLOAD_AT, COMPACT_PAYLOAD_AT = 40, 56, 64, 72
_COMPACT = 16
_ENTRY = 3
_ITEMS_AT = 64


def is_compact(content):
    return bool(struct.unpack_from("<I", content, INCOMPATIBLE_FLAGS_AT)[0] & _COMPACT)


def field_at(content, field):
    """Return where the object of a field begins that is in the file once."""
    assert content.count(field) == 1
    return content.find(field) - (COMPACT_PAYLOAD_AT if is_compact(content) else PAYLOAD_AT)


def entries(content):
    """Yield, for each entry, the places of its items: where it says where a field's object is."""
    (at,) = struct.unpack_from("<Q", content, HEADER_SIZE_AT)
    while at + 16 < len(content):
        (size,) = struct.unpack_from("<Q", content, at + 8)
        if not size:
            return
        if content[at] == _ENTRY:
            yield range(at + _ITEMS_AT, at + size, 4 if is_compact(content) else 16)
        at += (size + 7) // 8 * 8


def item_format(content):
    """Return how an item's first part is written, for struct."""
    return "<I" if is_compact(content) else "<Q"
