"""The thread that brings the spool's events to the collector."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from watchtower_agent.backoff import Backoff, jitter
from watchtower_agent.collector import Answer, Collector, Verdict
from watchtower_agent.foreign_names import ForeignNames
from watchtower_agent.log import complain
from watchtower_agent.pulse import Pulse
from watchtower_agent.spool_file import SpoolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchtower_agent.heartbeat import Heartbeat
    from watchtower_agent.restored import Restored
    from watchtower_agent.spool import Spool, SpooledEvent
    from watchtower_agent.wakeup import Wakeup

log = logging.getLogger(__name__)

BATCH_EVENTS = 500
BATCH_BYTES = 512 * 1024
# A wrong token is mended by people, and the collector slows down who repeats one.
_UNAUTHORIZED_SECONDS = (30.0, 60.0)
_OF_THE_TOKEN = (Verdict.UNAUTHORIZED, Verdict.FOREIGN_HOST)
_SPOOL_RETRY_SECONDS = 10.0
# However rare the heartbeats are, the thread shows that it is alive.
_SIGN_OF_LIFE_SECONDS = 60.0


class Sender:
    """Sends batches, oldest first; an event leaves the spool only when it is acknowledged."""

    def __init__(
        self,
        spool: Spool,
        collector: Collector,
        heartbeat: Heartbeat,
        stop: Wakeup,
    ) -> None:
        self._spool = spool
        self._collector = collector
        self._heartbeat = heartbeat
        self._stop = stop
        self.pulse = Pulse()
        self._backoff = Backoff()
        self._batch_events = BATCH_EVENTS
        self._trouble = heartbeat.vitals.sending
        self._batch_delivered = False
        self._restored: Restored | None = None
        self._foreign = ForeignNames()

    def run(self) -> None:
        """Send until told to stop."""
        while not self._stop.is_set():
            self.pulse.beat()
            try:
                wait = self.step()
            except SpoolError as error:
                if self._trouble.begin(str(error)):
                    complain(log, "Events cannot be sent: %s. It is tried again.", error)
                wait = _SPOOL_RETRY_SECONDS
            if wait:
                self._stop.wait(wait)

    def step(self) -> float:
        """Send one batch, or a heartbeat if one is due, or wait for either.

        When both are to go, the heartbeat goes after a batch that was taken, so that neither a
        long backlog nor a refused heartbeat holds up the other.

        Returns the seconds to wait before the next step.

        Raises:
            SpoolError: the spool cannot be used; whatever was sent will be sent again.
        """
        self._spool.arrived.clear()
        self._spool.report_overflow(self._heartbeat.host)
        batch = self._spool.batch(self._batch_events, BATCH_BYTES, self._foreign.held_back())
        due = self._heartbeat.due_in()
        if batch and (due > 0 or not self._batch_delivered):
            return self._after(self._collector.post([event.body for event in batch]), batch)
        if due > 0:
            self._foreign.forget(batch)
            self._spool.arrived.wait(min(due, self._foreign.ask_in(), _SIGN_OF_LIFE_SECONDS))
            return 0.0
        self._batch_delivered = False
        beat = self._heartbeat.event(self._spool)
        return self._after(self._collector.post([beat.to_json()]), [])

    def _after(self, answer: Answer, batch: Sequence[SpooledEvent]) -> float:
        """Draw the consequences of an answer; return the seconds to wait."""
        if answer.verdict is Verdict.ACKNOWLEDGED:
            self._acknowledged(answer, batch)
            return 0.0
        if answer.verdict in (Verdict.TOO_LARGE, Verdict.REFUSED) and len(batch) > 1:
            # The collector refuses single events singly. If it refuses the request as a whole,
            # the one event at fault is found by halving.
            self._batch_events = len(batch) // 2
            return 0.0
        if answer.verdict is Verdict.REFUSED and batch:
            self._bury(batch[0], answer.detail)
            return 0.0
        self._report(answer)
        if answer.event is not None and batch:
            event = batch[answer.event]
            if self._foreign.hold_back(event, jitter(*_UNAUTHORIZED_SECONDS)):
                return 0.0
        if answer.verdict in _OF_THE_TOKEN:
            return jitter(*_UNAUTHORIZED_SECONDS)
        wait = self._backoff.next_wait()
        if answer.retry_after is not None:
            # The jitter stays, or every agent that was told the same would return together.
            wait += answer.retry_after
        return wait

    def _acknowledged(self, answer: Answer, batch: Sequence[SpooledEvent]) -> None:
        if answer.restored is not None and answer.restored != self._restored:
            # It is by the collector's clock, and the journal by this host's, which may be behind.
            since = answer.restored.missing_since + min(0, answer.clock_offset_seconds or 0)
            self._spool.hear_of_restore(replace(answer.restored, missing_since=since))
            self._restored = answer.restored
        delivered, refused = [], []
        for event, reason in zip(batch, answer.rejections):
            if reason is None:
                delivered.append(event.seq)
            else:
                refused.append((event.seq, reason))
                log.error(
                    "The collector rejected an event for good (%s); it is kept as a dead letter.",
                    reason,
                )
        if batch:
            self._spool.settle(delivered, refused)
            self._batch_delivered = True
        else:
            self._heartbeat.delivered()
        self._backoff.reset()
        self._batch_events = min(BATCH_EVENTS, self._batch_events * 2)
        self._heartbeat.vitals.acknowledged(answer.clock_offset_seconds)
        if batch:
            self._foreign.forget(batch)
        if self._foreign:
            self._report(Answer(Verdict.FOREIGN_HOST))
        elif self._trouble.end():
            log.info("The collector takes events again.")

    def _bury(self, event: SpooledEvent, reason: str) -> None:
        log.error(
            "The collector refuses an event for good (%s); it is kept as a dead letter.", reason
        )
        self._spool.settle([], [(event.seq, reason)])

    def _report(self, answer: Answer) -> None:
        """Log a failure once, not at every attempt, and again when its reason is another."""
        level, sentence = explain(answer)
        if self._trouble.begin(sentence):
            log.log(level, "%s", sentence)


def explain(answer: Answer) -> tuple[int, str]:
    """Return how grave a failure is, and what it is in words."""
    if answer.verdict is Verdict.UNAUTHORIZED:
        return logging.ERROR, (
            "The collector does not accept this agent's token (401). Run playbooks/site.yml, "
            "which makes it known there, or set WATCHTOWER_AGENT_TOKEN in the agent's .env to one "
            "that the collector knows and restart watchtower-agent. Events are kept until then."
        )
    if answer.verdict is Verdict.FOREIGN_HOST:
        # Not the collector's own words: they name one event, and it is another one each time.
        return logging.ERROR, (
            "The collector does not let this agent's token speak for the name in its events "
            "(403): the host was renamed, or the token is another host's. Run "
            "playbooks/agents.yml for this host. Events of that name are kept until then, and "
            "others are sent."
        )
    if answer.verdict is Verdict.BUSY:
        return logging.WARNING, (
            f"The collector is busy: {answer.detail}. Events are kept and sent later."
        )
    if answer.verdict is Verdict.UNREACHABLE:
        return logging.WARNING, (
            f"The collector cannot be reached: {answer.detail}. Events are kept and sent later."
        )
    return logging.ERROR, (
        "What answers at WATCHTOWER_COLLECTOR_URL does not answer like a collector: "
        f"{answer.detail}. Check the address. Events are kept until then."
    )
