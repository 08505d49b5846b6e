"""The chaos: faults on all hosts at once, while people log in and agents are killed."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass

import yaml
from fleet import INVENTORY, wait_for
from kills import Killers
from oracle import Oracle, now
from plan import UP, collector_plan, host_plan
from witness import Witness

KILLS = 200
KILLS_OF_EACH = KILLS // 10
KILLS_SECONDS = 600
CALM_SECONDS = (0.2, 2.0)


@dataclass(frozen=True)
class Episode:
    """A fault as it happened; times in microseconds since 1970."""

    track: str
    name: str
    began: int
    ended: int


class Chaos:
    """Runs the faults, and remembers what has to be known afterwards.

    Attributes:
        agents: the hosts that are watched; ``small``: those whose agent has a disk that is filled;
            ``volatile``: those whose journal does not outlive a reboot. The others reboot, too.
        planned: track and name of each fault, and ``episodes``: what became of them.
        losses: what could not but be lost; ``resent``: the attempts that were sent once more.
        kills: how many there were on each host.
    """

    def __init__(self, seed):
        inventory = yaml.safe_load((INVENTORY / "hosts.yml").read_text())["all"]["children"]
        agents = inventory["watchtower_agents"]["hosts"]
        self.agents = list(agents)
        self.small = {host for host in agents if "small_disk" in agents[host]}
        self.volatile = {host for host in agents if "journal_storage" in agents[host]}
        self.locks = {name: threading.Lock() for name in (*self.agents, UP)}
        self.oracle = Oracle(self.agents, seed)
        self.witness = Witness()
        self.killers = Killers(self.agents, seed)
        self.planned = []
        self.episodes = []
        self.losses = []
        self.resent = []
        self.kills = {}
        self._seed = seed
        self._failed = threading.Event()

    def run(self):
        """Let it all happen; in the end nothing is broken any more, and nobody is killed."""
        tracks = {"collector": collector_plan(self, self._seed)}
        tracks |= {agent: host_plan(self, agent, self._seed) for agent in self.agents}
        self.planned = [(track, fault.name) for track in tracks for fault in tracks[track]]
        self.oracle.admit()
        self.oracle.start()
        try:
            for agent in self.agents:
                self.killers.start(agent)
            with ThreadPoolExecutor(len(tracks)) as pool:
                running = [pool.submit(self._go_through, *track) for track in tracks.items()]
                for track in as_completed(running):
                    # One that failed ends the others, too.
                    if track.exception():
                        self._failed.set()
                    track.result()
            wait_for("enough kills", self._are_enough, KILLS_SECONDS)
        finally:
            self.oracle.stop()
        self.kills = self.killers.count()
        for agent in self.agents:
            self.killers.stop(agent)

    def _are_enough(self):
        kills = self.killers.count().values()
        return sum(kills) >= KILLS and min(kills) >= KILLS_OF_EACH

    def _go_through(self, track, plan):
        chance = random.Random(f"{self._seed} {track} pauses")
        for fault in plan:
            if self._failed.wait(chance.uniform(*CALM_SECONDS)):
                return
            with ExitStack() as held:
                # In one order everywhere, so that no two wait for each other.
                for name in sorted(fault.needs):
                    held.enter_context(self.locks[name])
                began = now()
                fault.strike()
                self.episodes.append(Episode(track, fault.name, began, now()))
