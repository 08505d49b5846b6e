import gzip
import random
import tracemalloc

import pytest

from watchtower_collector.inflate import PIECE_BYTES, InflateError, Inflater


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 1_000_000])
@pytest.mark.parametrize("pattern", [b"\0", b"abc"])
def test_everything_comes_out_in_bounded_pieces(size, pattern):
    whole = (pattern * size)[:size]
    inflater = Inflater()
    pieces = list(inflater.feed(gzip.compress(whole)))
    inflater.finish()
    assert b"".join(pieces) == whole
    assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)


def test_however_it_is_cut():
    whole = random.Random(7).randbytes(10_000) + bytes(500_000)
    packed = gzip.compress(whole)
    inflater = Inflater()
    out = b"".join(piece for i in range(len(packed)) for piece in inflater.feed(packed[i : i + 1]))
    inflater.finish()
    assert out == whole


def test_what_is_not_taken_is_not_inflated():
    bomb = gzip.compress(bytes(100 << 20))
    tracemalloc.start()
    try:
        next(Inflater().feed(bomb))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * PIECE_BYTES + len(bomb)


def test_nothing_may_follow_in_a_later_piece():
    inflater = Inflater()
    list(inflater.feed(gzip.compress(b"x")))
    with pytest.raises(InflateError, match="follows"):
        list(inflater.feed(b"y"))
