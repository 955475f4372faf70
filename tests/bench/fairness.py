"""How long workspaces wait that share the requests of one consumer: a simulation of the ledger, with its own clock.

A schedule starts all runs, and workers take them up one after the other, ``BETWEEN_STARTS`` seconds apart, large ones
first. Each sends as fast as eight connections at 100 ms allow. A run that gets no request comes back when the ledger
says. Waiting is the time from a run's start to its last request, less what requests themselves take. ``make bench-
fairness``.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bitbucket_cloud.rate_limit.ledger import MemoryLedger
from bitbucket_cloud.rate_limit.limiter import BLOCK_SIZE

LIMIT: Final = 1000
SECONDS_PER_REQUEST: Final = 0.1 / 8
BETWEEN_STARTS: Final = 5.0
#: requests before a run knows what it has to send: preflight and listings
LISTINGS: Final = 4
SMALL, MIDDLE, LARGE = 20, 100, 2000


@dataclass
class Run:
    """A run of a workspace.

    Attributes:
        name: of its workspace.
        requests: what it has to send.
        waited: seconds from its start to its last request in which it sent nothing.
    """

    name: str
    requests: int
    sent: int = 0
    waited: float = 0.0


def simulate(demands: Sequence[int], *, shares: bool, limit: int = LIMIT) -> list[Run]:
    """The runs at their end.

    Args:
        demands: requests of each workspace, in the order in which their runs begin.
        shares: whether they say on whose behalf they send; without, whoever comes first is served first.
        limit: requests an hour.
    """
    start = datetime(2026, 1, 1, tzinfo=UTC)
    now = 0.0
    ledger = MemoryLedger(clock=lambda: start + timedelta(seconds=now))
    runs = [Run(f"workspace-{number}", requests) for number, requests in enumerate(demands)]
    if shares:
        # As bitbucket_schedule does, by the newest plan of each.
        ledger.expect_all({run.name: run.requests for run in runs})
    due = [(number * BETWEEN_STARTS, number) for number in range(len(runs))]
    while due:
        now, number = heapq.heappop(due)
        run = runs[number]
        spender = run.name if shares else ""
        is_planned = run.sent >= LISTINGS
        wanted = min(BLOCK_SIZE, (run.requests if is_planned else LISTINGS) - run.sent)
        booking = ledger.reserve(wanted, limit, (), spender)
        granted = booking.permits.requests
        run.sent += granted
        if spender and run.sent >= LISTINGS and not is_planned:
            ledger.expect(spender, run.requests - run.sent)
        takes = granted * SECONDS_PER_REQUEST
        if run.sent >= run.requests:
            run.waited = now + takes - number * BETWEEN_STARTS - run.requests * SECONDS_PER_REQUEST
            continue
        heapq.heappush(due, (now + takes if granted else now + max(booking.resume_in, 0.1), number))
    return runs


#: what shares an hour: requests of each workspace, in the order in which their runs begin
SCENES: Final = {
    "45 small and 5 large": [LARGE] * 5 + [SMALL] * 45,
    "50 equal": [MIDDLE] * 50,
    "1 small among 49 large": [LARGE] * 49 + [SMALL],
}


def longest(runs: Sequence[Run], size: int) -> float:
    """The longest wait of a workspace of a size, in hours."""
    return max(run.waited for run in runs if run.requests == size) / 3600


def main() -> None:
    """Print the longest waits."""
    print(f"longest wait in hours at {LIMIT} requests an hour; small {SMALL}, middle {MIDDLE}, large {LARGE} requests")
    print(f"{'':24}{'requests':>10}{'without':>10}{'with shares':>12}")
    for scene, demands in SCENES.items():
        without, fair = (simulate(demands, shares=shares) for shares in (False, True))
        for size in sorted(set(demands)):
            print(f"{scene:24}{size:>10}{longest(without, size):>10.2f}{longest(fair, size):>12.2f}")


if __name__ == "__main__":
    main()
