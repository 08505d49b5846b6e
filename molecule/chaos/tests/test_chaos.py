"""Nothing is lost, and nothing comes twice: through every fault at once, seen from outside.

An oracle logs in again and again, each time so that this one login can be told from all others.
Meanwhile agents and collector are killed, disks fill, journals vanish, hosts reboot, certificates
and tokens change. When that is over, the collector must know each of these logins once, and what
is missing must lie in a gap that an agent has reported.
"""

import subprocess
from collections import Counter

import pytest
import spool
from chaos import KILLS, KILLS_OF_EACH, Chaos
from fleet import STATE
from oracle import NAME
from verdict import Verdict, microseconds, settle

LOGINS = 300
FAILURES = 50


@pytest.fixture(scope="module")
def verdict(seed, say):
    """Let it all happen, once, and return what came of it."""
    chaos = Chaos(seed)
    chaos.run()
    settle(chaos)
    verdict = Verdict(chaos)
    say(verdict.summary())
    return verdict


def test_it_was_chaos_indeed(verdict):
    """None of what follows may pass because nothing happened."""
    chaos = verdict.chaos
    assert sum(chaos.kills.values()) >= KILLS
    assert min(chaos.kills.values()) >= KILLS_OF_EACH
    done = [attempt for attempt in chaos.oracle.attempts if attempt.done]
    assert sum(not attempt.fails for attempt in done) >= LOGINS
    assert sum(attempt.fails for attempt in done) >= FAILURES
    assert Counter((e.track, e.name) for e in chaos.episodes) == Counter(chaos.planned)
    assert verdict.missing()
    assert chaos.resent


def test_nothing_comes_twice(verdict):
    twice = [a for a in verdict.chaos.oracle.attempts if len(verdict.reports[a.name]) > 1]
    assert not twice, verdict.explain(twice)


def test_nothing_is_lost_outside_a_reported_gap(verdict):
    lost = [attempt for attempt in verdict.missing() if not verdict.may_be_lost(attempt)]
    assert not lost, verdict.explain(lost)


def test_an_unavoidable_loss_is_reported_from_its_beginning_to_its_end(verdict):
    """The logins before it and after it are there; the gap reaches from one to the other."""
    witness = verdict.chaos.witness
    for loss in verdict.chaos.losses:
        assert not [a for a in loss.lost if verdict.reports[a.name]], verdict.explain(loss.lost)
        ends = [loss.before, loss.after]
        assert all(verdict.reports[a.name] for a in ends), verdict.explain(ends)
        begins, ends = (witness.entry_of(a.name).received for a in ends)
        first, last = (witness.entry_of(a.name).received for a in (loss.lost[0], loss.lost[-1]))
        exact = [
            gap
            for gap in verdict.gaps[loss.host]
            if begins <= gap.since <= first and last <= gap.until <= ends
        ]
        assert exact, verdict.explain([loss.before, loss.lost[0], loss.after])


def test_each_gap_has_two_ends_and_a_cause(verdict):
    """Where nothing was vacuumed, and no volatile journal was lost in a reboot, there is none."""
    # Rotation makes journald itself vacuum, beyond SystemMaxUse=.
    causes = ("rotated", "vacuumed", "vacuumed_while_stopped")
    for host, gaps in verdict.gaps.items():
        volatile = ("shut_down", "lost_power") if host in verdict.chaos.volatile else ()
        destroyed = [
            episode
            for episode in verdict.chaos.episodes
            if episode.track == host and episode.name.split()[0] in (*causes, *volatile)
        ]
        for gap in gaps:
            explanation = f"{gap.event}\n{verdict.timeline(host)}"
            assert gap.event["reason"] == "entries_vanished", explanation
            assert gap.since <= gap.until, explanation
            assert any(gap.may_hold(e.began, e.ended) for e in destroyed), explanation


def test_each_event_says_what_happened(verdict):
    """In particular: when, as the host's own journal had it, to the microsecond."""
    for attempt in verdict.chaos.oracle.attempts:
        entry = verdict.chaos.witness.entry_of(attempt.name)
        for event in verdict.reports[attempt.name]:
            explanation = (attempt, entry, event)
            assert event["hostname"] == attempt.host, explanation
            assert event["ambiguous"] is False, explanation
            if event["trusted"] or not attempt.fails or (entry and entry.signed):
                assert event["trusted"] is True, explanation
                kind = "login_failed" if attempt.fails else "login"
                assert event["type"] == kind, explanation
            happened = microseconds(event["timestamp"])
            assert attempt.began <= happened <= attempt.ended, explanation
            assert entry is None or happened == entry.happened, explanation
            if not attempt.fails and attempt.done:
                source = (event["source_ip"], event["source_port"])
                assert source == (attempt.source_ip, attempt.source_port), explanation


def test_the_witness_saw_most_of_it(verdict):
    """The comparison with the journals' own times is not empty."""
    done = [attempt for attempt in verdict.chaos.oracle.attempts if attempt.done]
    seen = [a for a in done if verdict.chaos.witness.entry_of(a.name) is not None]
    assert len(seen) > len(done) // 2


def test_nobody_else_logged_in(verdict):
    """There are the oracle's logins and the operator's, who is Ansible and these tests."""
    show = ["ssh-keygen", "-l", "-f", str(STATE / "id_ed25519.pub")]
    listing = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    operator = ("ops", listing.split()[1])
    attempts = {a.name for a in verdict.chaos.oracle.attempts if not a.fails}
    for event in verdict.events:
        if event["type"] == "login" and event["certificate_id"] not in attempts:
            assert (event["user"], event["key_fingerprint"]) == operator, event
    known = {attempt.name for attempt in verdict.chaos.oracle.attempts}
    invented = {name for name in verdict.reports if name and NAME.fullmatch(name)} - known
    assert not invented


def test_what_was_sent_again_is_there_once(verdict):
    for attempt in verdict.chaos.resent:
        assert len(verdict.reports[attempt.name]) == 1, verdict.explain([attempt])


def test_no_event_was_given_up(verdict):
    assert not [e for e in verdict.events if e["type"] == "spool_overflow"]
    for host in verdict.chaos.agents:
        held = spool.look(host)
        assert held["dead_letters"] == []
