"""The stream is read as it is written."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from watchtowerctl.server_sent import Message, messages

STREAM = (
    b": alive\n\n"
    b"id: 7\n\n"
    b'id: 8\nevent: login\ndata: {"user":"a\xe2\x80\xa8b\xc2\x85c"}\n\n'
    b"event: sudo\r\ndata: one\r\ndata:two\r\n\r\n"
    b"id: 9\ndata: cut o"
)
READ = [
    Message("7", ""),
    Message("8", '{"user":"a\u2028b\x85c"}'),
    Message("8", "one\ntwo"),
]


@given(st.lists(st.integers(0, len(STREAM))))
def test_a_stream_may_come_in_any_pieces(cuts):
    places = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[a:b] for a, b in pairwise(places)]
    assert list(messages(chunks)) == READ
