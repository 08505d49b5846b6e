from ipaddress import ip_address, ip_network

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from watchtower_collector.addresses import network_range, network_ranges, sortable_bytes


def test_ipv4_is_its_mapped_ipv6():
    assert sortable_bytes("192.0.2.1") == sortable_bytes("::ffff:192.0.2.1")


def test_a_zone_is_left_out():
    assert sortable_bytes("fe80::1%eth0") == sortable_bytes("fe80::1")


@pytest.mark.parametrize("text", ["", "UNKNOWN", "host.example.org", "1.2.3", "1.2.3.4.5", "::g"])
def test_what_is_no_address_has_no_bytes(text):
    assert sortable_bytes(text) is None


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_the_bytes_sort_like_the_addresses(one, other):
    assert (sortable_bytes(str(one)) < sortable_bytes(str(other))) == (one < other)


@given(st.ip_addresses(), st.integers(0, 32))
def test_a_network_is_the_range_of_its_addresses(address, prefix):
    first, last = network_range(f"{address}/{prefix}")
    assert first <= sortable_bytes(str(address)) <= last


def test_the_neighbours_of_a_network_are_outside():
    first, last = network_range("203.0.113.0/24")
    assert sortable_bytes("203.0.112.255") < first == sortable_bytes("203.0.113.0")
    assert last == sortable_bytes("203.0.113.255") < sortable_bytes("203.0.114.0")


def test_host_bits_may_be_set():
    assert network_range("203.0.113.7/24") == network_range("203.0.113.0/24")


def test_an_address_is_a_range_of_one():
    first, last = network_range("2001:db8::1")
    assert first == last == ip_address("2001:db8::1").packed


def test_a_zone_does_not_count():
    assert network_range("fe80::1%eth0") == network_range("fe80::1")


@pytest.mark.parametrize(
    "text", ["", "1.2.3.4/33", "web-1", "1.2.3.4/", "::/129", "fe80::1%eth0/64"]
)
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        network_range(text)


def is_within(address, ranges):
    return any(first <= sortable_bytes(address) <= last for first, last in ranges)


@pytest.mark.parametrize("network", ["::/0", "::/64", "::/80", "::fffe:0:0/95", "::ffff:0:0/95"])
def test_a_network_of_ipv6_holds_no_ipv4(network):
    ranges = network_ranges(network)
    assert not is_within("0.0.0.0", ranges)
    assert not is_within("255.255.255.255", ranges)
    assert is_within("::fffe:ffff:ffff", ranges), "the one before"
    assert is_within("::1:0:0:0", ranges) == (network in {"::/0", "::/64"}), "the one after"
    assert all(first <= last for first, last in ranges)


@pytest.mark.parametrize("network", ["::ffff:0:0/96", "::ffff:192.0.2.0/120", "0.0.0.0/0"])
def test_who_asks_for_mapped_addresses_gets_ipv4(network):
    assert network_ranges(network) == (network_range(network),)
    assert is_within("192.0.2.1", network_ranges(network))


@given(st.ip_addresses(v=6), st.integers(0, 128), st.ip_addresses(v=6))
@settings(deadline=None)
def test_a_network_of_ipv6_holds_its_addresses(network, prefix, address):
    mapped = ip_network("::ffff:0:0/96")
    expected = address in ip_network(f"{network}/{prefix}", strict=False)
    assume(address not in mapped)
    assert is_within(str(address), network_ranges(f"{network}/{prefix}")) == expected
