"""The numbers in the HTTP interface's pages are those of the program."""

import re

import pytest
from api_pages import section
from collector_process import REPOSITORY

from watchtower_collector import brake, event, event_stream, strict_json, wanted_token, writer
from watchtower_collector.routes import hosts, login, parameters, stats
from watchtower_collector.store.sqlite import READ_DEADLINE_SECONDS

CADDYFILE = (REPOSITORY / "roles/watchtower_caddy/templates/Caddyfile.j2").read_text("utf-8")
CADDY_MINUTES = re.search(r"^\t*write (\d+)m$", CADDYFILE, re.MULTILINE)[1]
WORDS = {10: "ten"}


@pytest.mark.parametrize(
    ("heading", "sentence"),
    [
        (
            "GET /events",
            f"1 to {parameters.MAX_LIMIT:,} events; {parameters.DEFAULT_LIMIT} by default",
        ),
        ("GET /events", f"may be given up to {parameters.MAX_VALUES} times"),
        ("GET /events", f"the query took longer than {READ_DEADLINE_SECONDS:.0f} seconds"),
        ("GET /events", f"Caddy ends every answer after {CADDY_MINUTES} minutes"),
        ("GET /events/stream", f"At least every {event_stream.ALIVE_SECONDS:.0f} seconds"),
        ("GET /events/stream", f"There may be {event_stream.MAX_STREAMS} streams"),
        ("GET /events/stream", f"after {CADDY_MINUTES} minutes, when Caddy ends it"),
        ("GET /hosts", f"1 to {hosts.MAX_HOSTS:,} hosts; {hosts.DEFAULT_HOSTS:,} by default"),
        ("GET /stats", f"1 to {stats.MAX_TOP:,}; {stats.DEFAULT_TOP} by default"),
        ("GET /stats", f"longer than {READ_DEADLINE_SECONDS:.0f} seconds is a 503"),
        ("POST /admin/tokens", f"an array of up to {wanted_token.MAX_TOKENS:,}"),
        ("GET /admin/audit", f"1 to {parameters.MAX_LIMIT:,} entries"),
        ("POST /login", f"an array of up to {login.MAX_EVENTS:,}"),
        ("POST /login", f"may hold {strict_json.MAX_VALUES:,} values"),
        ("Events", f"take up to {event.MAX_UNKNOWN_BYTES >> 10} KiB"),
        ("Events", f"up to {event.MAX_UNKNOWN_FIELDS} of them"),
        ("GET /healthz", f"has not come round for {writer.STALL_SECONDS:.0f} seconds"),
        ("GET /healthz", f"was none for {writer._PROBE_WELL_SECONDS:.0f} seconds"),
        ("Wrong secrets", f"may show {WORDS[brake.BURST]} wrong ones at once"),
        ("Wrong secrets", f"and then one every {brake.SECONDS_EACH:.0f} seconds"),
    ],
)
def test_a_number_is_that_of_the_program(heading, sentence):
    assert sentence in " ".join(section(heading).split())
