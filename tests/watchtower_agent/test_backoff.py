from watchtower_agent.backoff import CAP_SECONDS, Backoff


def test_waits_lie_between_zero_and_a_bound_that_doubles():
    draws = []
    for _ in range(200):
        backoff = Backoff()
        draws.append([backoff.next_wait() for _ in range(9)])
    for step, waits in enumerate(zip(*draws, strict=True)):
        bound = min(CAP_SECONDS, 2.0**step)
        assert max(waits) <= bound
        # Full jitter: some return at once, some late. Chance of a miss: 2 ** -200.
        assert min(waits) < bound / 2 < max(waits)


def test_a_success_begins_anew():
    backoff = Backoff()
    for _ in range(50):
        assert backoff.next_wait() <= CAP_SECONDS
    backoff.reset()
    assert backoff.next_wait() <= 1.0
