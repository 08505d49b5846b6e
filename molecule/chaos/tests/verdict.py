"""The verdict: what the oracle knows, beside what the collector says."""

import json
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

import spool
from fleet import curl, on, secret, ssh, wait_for
from witness import MENTIONS

COLLECTOR = "collector"
SETTLE_SECONDS = 150
# Around a login that is missing or there twice: what else happened, and what the agent said.
AROUND = 10_000_000
SHOWN = 3


@dataclass(frozen=True)
class Gap:
    """A ``journal_gap`` of a host; times in microseconds since 1970."""

    event: dict
    since: int
    until: int

    def may_hold(self, first, last):
        """Tell whether something that happened between two times may have happened in it."""
        return first <= self.until and last >= self.since


def microseconds(timestamp):
    """Return an RFC 3339 time as microseconds since 1970, exactly."""
    moment = datetime.fromisoformat(timestamp)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def rfc3339(microseconds):
    """Return microseconds since 1970 as text."""
    moment = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
    return moment.replace(microsecond=microseconds % 1_000_000).isoformat()


def settle(chaos):
    """Wait until every agent has read and delivered everything, at last a login of each host."""
    logins = [chaos.oracle.login(host) for host in chaos.agents]
    for login in logins:
        wait_for(
            f"{login.host}'s agent to deliver everything",
            lambda login=login: is_delivered(login),
            SETTLE_SECONDS,
        )
    for host in chaos.agents:
        chaos.witness.look(host)


def is_delivered(login):
    """Tell whether a host's journal was read up to a login, and the spool is empty."""
    held = spool.look(login.host)
    return held["read_up_to"] >= login.ended and not held["events"]


def every_event():
    """Return all events of the collector, asked through Caddy, page by page."""
    events, path = [], "/events?limit=1000"
    while path:
        key = f"X-Admin-Api-Key: {secret('admin_api_key')}"
        status, answer = curl(COLLECTOR, path, "--include", header=key)
        assert status == 200, answer
        headers, _, body = answer.partition("\n\n")
        events += json.loads(body)
        link = re.search('^link: <(.*)>; rel="next"$', headers, re.MULTILINE | re.IGNORECASE)
        path = link and link[1]
    return events


class Verdict:
    """All events, sorted out."""

    def __init__(self, chaos):
        self.chaos = chaos
        self.events = every_event()
        self.reports = defaultdict(list)
        self.gaps = {host: [] for host in chaos.agents}
        for event in self.events:
            if event["type"] == "login" and event["user"] == "oracle":
                self.reports[event["certificate_id"]].append(event)
            elif event["type"] == "login_failed":
                self.reports[event["user"]].append(event)
            elif event["type"] == "untrusted":
                # Kept and labelled, as it must be when journald does not know who wrote it.
                match = MENTIONS.match(event["raw_message"])
                if match and match["failure"]:
                    self.reports[match["failure"]].append(event)
            elif event["type"] == "journal_gap":
                since, until = (microseconds(event[f"gap_{end}"]) for end in ("since", "until"))
                self.gaps[event["hostname"]].append(Gap(event, since, until))

    def happened(self, attempt):
        """Tell whether an attempt certainly reached the journal."""
        return attempt.done or self.chaos.witness.entry_of(attempt.name) is not None

    def may_be_lost(self, attempt):
        """Tell whether an attempt lies, or without a witness may lie, in a gap of its host."""
        entry = self.chaos.witness.entry_of(attempt.name)
        first, last = (entry.received,) * 2 if entry else (attempt.began, attempt.ended)
        return any(gap.may_hold(first, last) for gap in self.gaps[attempt.host])

    def missing(self):
        """Return the attempts that happened and of which there is no event."""
        attempts = self.chaos.oracle.attempts
        return [a for a in attempts if self.happened(a) and not self.reports[a.name]]

    def summary(self):
        """Return the figures."""
        attempts = self.chaos.oracle.attempts
        logins, failures = (
            sum(self.happened(a) for a in attempts if a.fails is fails) for fails in (False, True)
        )
        gaps = sum(map(len, self.gaps.values()))
        episodes = self.chaos.episodes
        seconds = (max(e.ended for e in episodes) - min(e.began for e in episodes)) / 1e6
        return (
            f"{sum(self.chaos.kills.values())} kills, {len(episodes)} faults in {seconds:.0f} s, "
            f"{logins} logins, {failures} failures, {len(self.missing())} of them lost, "
            f"{gaps} gaps, {len(self.events)} events"
        )

    def timeline(self, host, first=0, last=sys.maxsize):
        """Return what happened to a host and to the collector between two times, as text."""
        return "\n".join(
            f"  {rfc3339(e.began)} to {rfc3339(e.ended)} {e.track}: {e.name}"
            for e in sorted(self.chaos.episodes, key=lambda e: e.began)
            if e.track in ("collector", host) and e.began <= last and e.ended >= first
        )

    def explain(self, attempts):
        """Return what is known of some attempts: themselves, what else happened, who said what."""
        text = [f"{len(attempts)} of {len(self.chaos.oracle.attempts)} attempts:"]
        text += [f"  {attempt.name} on {attempt.host}" for attempt in attempts[SHOWN:40]]
        for attempt in attempts[:SHOWN]:
            host = attempt.host
            entry = self.chaos.witness.entry_of(attempt.name)
            text += [f"{attempt}", f"  in the journal: {entry}"]
            text += [f"  event: {event}" for event in self.reports[attempt.name]]
            text += [f"  gap: {rfc3339(g.since)} to {rfc3339(g.until)}" for g in self.gaps[host]]
            first, last = attempt.began - AROUND, attempt.ended + AROUND
            text.append(self.timeline(host, first, last))
            command = (
                f"sudo journalctl --unit=watchtower-agent --output=short-precise --no-pager "
                f"--since=@{first // 1_000_000} --until=@{last // 1_000_000} | tail -n 30"
            )
            text += ["  the agent said:", ssh(host, command).stdout]
        for host in self.chaos.agents:
            held = spool.look(host)
            text.append(f"spool of {host}: {len(held['events'])} events, {held['dead_letters']}")
            text.append(on(host, "journalctl --list-boots --no-pager"))
        return "\n".join(text)
