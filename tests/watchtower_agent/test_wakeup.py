import select


def test_it_stays_set_and_readable(stop):
    assert not stop.is_set()
    assert not stop.wait(0)
    assert select.select([stop], [], [], 0)[0] == []
    for _ in range(100_000):
        stop.set()
    assert stop.is_set()
    assert stop.wait(0)
    assert select.select([stop], [], [], 0)[0] == [stop]
