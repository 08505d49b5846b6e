"""Which faults there are for the collector and for each host, in the order that a seed decides."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import collector_faults
import host_faults

# `testhosts up` wants to see every host well, so what makes the collector ill excludes reboots.
UP = "up"


@dataclass(frozen=True)
class Fault:
    """Something that happens; ``needs`` are the locks it holds while it does."""

    name: str
    needs: tuple[str, ...]
    strike: Callable[[], None]


def collector_plan(chaos, seed):
    """Return the collector's faults."""
    everything = (*chaos.agents, UP)
    chance = random.Random(f"{seed} collector")
    faults = [
        (collector_faults.stopped, ()),
        (collector_faults.killed, ()),
        (collector_faults.frozen, ()),
        (collector_faults.mute, ()),
        (collector_faults.unroutable, ()),
        (collector_faults.caddy_restarted, ()),
        (collector_faults.certificate_renewed, ()),
        (collector_faults.authority_replaced, everything),
        (collector_faults.tokens_rotated, everything),
        (collector_faults.disk_full, (UP,)),
        (host_faults.spool_restored, ()),
    ]
    chance.shuffle(faults)
    return [Fault(fault.__name__, needs, partial(fault, chaos, chance)) for fault, needs in faults]


def host_plan(chaos, host, seed):
    """Return a host's faults."""
    chance = random.Random(f"{seed} {host}")
    faults = [(host_faults.rotated, ()), (host_faults.vacuumed, ())]
    if host in chaos.small:
        faults.append((host_faults.disk_full, ()))
    else:
        faults += [(host_faults.shut_down, (UP,)), (host_faults.lost_power, (UP,))]
    plan = [
        Fault(fault.__name__, (host, *needs), partial(fault, chaos, host, chance))
        for fault, needs in faults
    ]
    plan += [
        Fault(
            f"{host_faults.vacuumed_while_stopped.__name__} {how}",
            (host,),
            partial(host_faults.vacuumed_while_stopped, chaos, host, how),
        )
        for how in host_faults.VACUUMS
    ]
    chance.shuffle(plan)
    return plan
