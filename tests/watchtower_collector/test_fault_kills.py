"""``kill -9``, again and again, while events pour in: what was acknowledged is there, once."""

import random
import signal
import time
from contextlib import closing

from promises import Lives, Load

KILLS = 100
SENDERS = 6


def test_what_was_acknowledged_outlives_a_hundred_kills_and_nothing_comes_twice(environment):
    chance = random.Random(29)
    with closing(Lives(environment)) as lives:
        lives.begin()
        load = Load(lives.port, SENDERS)
        for _ in range(KILLS):
            load.wait_for(1)
            time.sleep(chance.uniform(0, 0.05))
            lives.end()
            lives.begin()
        load.end()
        lives.end(signal.SIGTERM)
    load.check(environment["WATCHTOWER_DB_PATH"])
    assert load.repeats >= KILLS, "the kills met no load"
