"""Runs of most tests hand their sessions on: a run has one for each task, and each had to learn the schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.sessions import handed_on

#: Modules of whole runs that look at no session, end none, and change nothing that a new one would get.
OF_RUNS: Final = frozenset(
    f"test_{name}"
    for name in (
        "bench_verdicts",
        "cases_of_imports",
        "data_docs",
        "demo_verdicts",
        "dimensions",
        "direct_pushes",
        "extract_requests",
        "faults",
        "incremental",
        "leases",
        "listings",
        "merge_checks",
        "merges_over_time",
        "publish",
        "resources",
        "roster_runs",
    )
)


@pytest.fixture(autouse=True)
def _sessions_are_handed_on(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.path.stem not in OF_RUNS:
        yield
        return
    with handed_on():
        yield
