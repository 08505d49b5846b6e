import pytest

from watchtower_collector import brake as brake_module
from watchtower_collector.brake import BURST, SECONDS_EACH, Brake


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def brake(clock):
    return Brake(clock)


def use_up(brake, address="203.0.113.7"):
    for _ in range(BURST):
        assert brake.seconds_to_wait(address) == 0
        brake.was_wrong(address)


def test_one_address_gets_one_try_in_so_many_seconds_once_its_burst_is_used_up(brake, clock):
    use_up(brake)
    assert brake.seconds_to_wait("203.0.113.7") == SECONDS_EACH
    looked_at = 0
    for _ in range(600):
        clock.now += 1
        if brake.seconds_to_wait("203.0.113.7") == 0:
            looked_at += 1
            brake.was_wrong("203.0.113.7")
    assert looked_at == 600 / SECONDS_EACH


def test_after_a_while_the_burst_is_whole_again_and_not_larger(brake, clock):
    use_up(brake)
    clock.now += 1_000_000
    use_up(brake)
    assert brake.seconds_to_wait("203.0.113.7") > 0


def test_others_are_not_concerned(brake):
    use_up(brake)
    assert brake.seconds_to_wait("203.0.113.8") == 0


def test_an_ipv6_network_is_one_party(brake):
    use_up(brake, "2001:db8::1")
    assert brake.seconds_to_wait("2001:db8::2:3") > 0
    assert brake.seconds_to_wait("2001:db8:0:1::1") == 0


def test_ipv4_addresses_are_parties_of_their_own_however_they_are_written(brake):
    use_up(brake, "::ffff:203.0.113.7")
    assert brake.seconds_to_wait("203.0.113.7") > 0
    assert brake.seconds_to_wait("::ffff:203.0.113.8") == 0


def test_all_that_is_no_address_is_one_party_and_takes_no_room(brake):
    use_up(brake, "unknown")
    for claimed in ("", "web-1", "z" * 55_000, "203.0.113.7\0", "1.2.3.4:5"):
        assert brake.seconds_to_wait(claimed) > 0
        brake.was_wrong(claimed)
    assert len(brake._whole_at) == 1
    assert max(map(len, brake._whole_at)) <= 16


def test_memory_is_bounded(brake, monkeypatch):
    monkeypatch.setattr(brake_module, "_PARTIES", 100)
    for n in range(1_000):
        brake.was_wrong(f"10.0.{n // 250}.{n % 250}")
    assert len(brake._whole_at) == 100
