"""Random histories of verdicts, and the same figures as the views give, worked out row by row in Python."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from hypothesis import strategies as st

from bitbucket_compliance.security_tests import BY_ID
from tests.conftest import Database

STATUSES = ("passing", "failing", "pending", "error", "not_applicable")
GONE = ("removed_or_invisible", "test_disabled")
#: By policy: the severity of each test, and the days to fix.
POLICIES = {
    "lenient": ({"peer_review_required": "high", "repo_classified": "medium"}, {"high": 5, "medium": 9, "critical": 2}),
    "strict": (
        {"peer_review_required": "critical", "repo_classified": "high"},
        {"high": 3, "medium": 9, "critical": 1},
    ),
}
WEIGHTS = {"critical": 3, "high": 2, "medium": 1}
OLDEST_HOURS = 10 * 24


@dataclass(frozen=True)
class Interval:
    """One row of history; times are hours before now, the end None where it holds."""

    workspace: str
    test_id: str
    subject_id: str
    status: str
    reason_code: str
    policy: str
    excepted: bool
    bypassed: bool
    start: datetime
    end: datetime | None

    @property
    def severity(self) -> str:
        return POLICIES[self.policy][0][self.test_id]


@dataclass(frozen=True)
class StalePeriod:
    """When a subject's result could not be relied on; the end None where it still can't."""

    workspace: str
    test_id: str
    subject_id: str
    start: datetime
    end: datetime | None


def _told() -> st.SearchStrategy[tuple[str, str, str, bool, bool]]:
    """Status, reason code, policy, whether an exception covers it, and whether merges went around a rule."""
    statuses = st.sampled_from([*STATUSES, "failing", "gone", "disabled"])

    def told(status: str, policy: str, excepted: bool, bypassed: bool) -> tuple[str, str, str, bool, bool]:
        if status in ("gone", "disabled"):
            return "not_applicable", GONE[status == "disabled"], policy, False, False
        return status, f"because_{status}", policy, excepted and status == "failing", bypassed

    return st.builds(told, statuses, st.sampled_from([*POLICIES]), st.booleans(), st.booleans())


def histories(now: datetime) -> st.SearchStrategy[list[Interval]]:
    """Histories of a few subjects over ten days: no gap, no overlap, the last interval open, as publish keeps them."""
    subject = st.tuples(
        st.sampled_from(["acme", "other"]),
        st.sampled_from(["peer_review_required", "repo_classified"]),
        st.sampled_from(["{a}", "{b}", "{c}"]),
    )
    changes = st.lists(_instants(now), min_size=1, max_size=7, unique=True).map(sorted)
    per_subject = st.tuples(changes, st.lists(_told(), min_size=7, max_size=7))

    def rows(chosen: dict[tuple[str, str, str], tuple[list[datetime], list[Any]]]) -> list[Interval]:
        return [
            Interval(*key, *told, start, end)
            for key, (starts, tellings) in chosen.items()
            for start, end, told in zip(starts, [*starts[1:], None], tellings, strict=False)
        ]

    return st.dictionaries(subject, per_subject, min_size=1, max_size=5).map(rows)


def _instants(now: datetime) -> st.SearchStrategy[datetime]:
    """Instants of ten days; midnights are where days are told apart, so they have to come up."""
    midnight = datetime.combine(now.date(), time(), UTC)
    return st.one_of(
        st.integers(0, OLDEST_HOURS).map(lambda hours: now - timedelta(hours=hours, minutes=7)),
        st.integers(0, OLDEST_HOURS // 24).map(lambda days: midnight - timedelta(days=days)),
    )


def stale_periods(rows: Sequence[Interval], now: datetime) -> st.SearchStrategy[list[StalePeriod]]:
    """For some subjects of a history, one after another, periods in which they could not be relied on."""
    subjects = sorted({(row.workspace, row.test_id, row.subject_id) for row in rows})
    ends = st.lists(_instants(now), max_size=5, unique=True).map(sorted)

    def periods(chosen: dict[tuple[str, str, str], list[datetime]]) -> list[StalePeriod]:
        return [
            StalePeriod(*key, *instants[place : place + 2], *([None] if place + 1 == len(instants) else []))
            for key, instants in chosen.items()
            for place in range(0, len(instants), 2)
        ]

    return st.dictionaries(st.sampled_from(subjects), ends, max_size=3).map(periods)


def whole_runs(now: datetime) -> st.SearchStrategy[set[tuple[str, date]]]:
    """Workspaces and days on which a whole run of theirs was published."""
    days = st.integers(0, OLDEST_HOURS // 24).map(lambda age: now.date() - timedelta(days=age))
    return st.sets(st.tuples(st.sampled_from(["acme", "other"]), days), max_size=8)


def write_runs(database: Database, runs: Iterable[tuple[str, date]]) -> None:
    """Put whole runs, and on the days before each a run that answered events, into the database."""
    for workspace, day in runs:
        for kind, ended in (("polling", day), ("events", day - timedelta(days=1))):
            at = datetime.combine(ended, time(0, 30), UTC)
            database.execute(
                "INSERT INTO integration.runs (run_id, workspace, started_at, finished_at, status, kind,"
                " policy_version) VALUES (%s, %s, %s, %s, 'published', %s, 'lenient')",
                (f"{kind} of {workspace} on {ended}", workspace, at, at, kind),
            )


def write_stale_periods(database: Database, periods: Iterable[StalePeriod]) -> None:
    """Put what publish would have noted into the database."""
    database.cursor().executemany(
        "INSERT INTO compliance.stale_records (workspace, test_id, subject_id, stale_from, stale_to)"
        " VALUES (%s, %s, %s, %s, %s)",
        [(one.workspace, one.test_id, one.subject_id, one.start, one.end) for one in periods],
    )


def write_open_period(database: Database, row: StalePeriod) -> None:
    """Note a period that has not ended."""
    write_stale_periods(database, [replace(row, end=None)])


def end_period(database: Database, row: StalePeriod) -> None:
    """End a period that was noted."""
    database.execute(
        "UPDATE compliance.stale_records SET stale_to = %s"
        " WHERE workspace = %s AND test_id = %s AND subject_id = %s AND stale_from = %s",
        (row.end, row.workspace, row.test_id, row.subject_id, row.start),
    )


def write(database: Database, rows: Sequence[Interval]) -> None:
    """Put a history, and the policies, into the database."""
    for name, (severities, days) in POLICIES.items():
        thresholds = {f"due_days_{severity}": count for severity, count in days.items()}
        tests = {test: {"severity": severity, "enabled": True} for test, severity in severities.items()}
        database.execute(
            "INSERT INTO registry.policy_versions (policy_version, body)"
            " VALUES (%s, jsonb_build_object('thresholds', %s::jsonb, 'tests', %s::jsonb))",
            (name, _json(thresholds), _json(tests)),
        )
    _write_intervals(database, rows)


def write_open(database: Database, row: Interval) -> None:
    """Begin an interval; the policies are there."""
    _write_intervals(database, [replace(row, end=None)])


def end_interval(database: Database, row: Interval) -> None:
    """End an interval that was begun."""
    database.execute(
        "UPDATE compliance.result_history SET valid_to = %s"
        " WHERE workspace = %s AND test_id = %s AND subject_id = %s AND valid_from = %s",
        (row.end, row.workspace, row.test_id, row.subject_id, row.start),
    )


def _write_intervals(database: Database, rows: Sequence[Interval]) -> None:
    database.cursor().executemany(
        "INSERT INTO compliance.result_history (workspace, test_id, subject_type, subject_id, subject_name, severity,"
        " status, reason_code, reason, detail, facts_hash, exception_id, bypassed, policy_version, run_id,"
        " valid_from, valid_to)"
        " VALUES (%s, %s, 'repository', %s, %s, %s, %s, %s, '', '{}', '', %s, %s, %s, 'run', %s, %s)",
        [
            (
                row.workspace,
                row.test_id,
                row.subject_id,
                f"{row.subject_id} since {row.start}",
                row.severity,
                row.status,
                row.reason_code,
                "00000000-0000-0000-0000-000000000001" if row.excepted else None,
                2 if row.bypassed else None,
                row.policy,
                row.start,
                row.end,
            )
            for row in rows
        ],
    )


def _json(value: object) -> str:
    import json

    return json.dumps(value)


def share(passing: int, failing: int) -> Decimal | None:
    """Passing among both in percent, rounded as a person would."""
    if passing + failing == 0:
        return None
    return (Decimal(100 * passing) / (passing + failing)).quantize(Decimal("0.1"), ROUND_HALF_UP)


# ------------------------------------------------------------------------------------- day by day


def trend(
    rows: Sequence[Interval], periods: Sequence[StalePeriod], runs: Set[tuple[str, date]], now: datetime
) -> dict[tuple[date, str, str, str], dict[str, Any]]:
    """What ``daily_trend`` has to show: each day anew, from every interval that held at its end."""
    found = {}
    keys = {(row.workspace, row.test_id, row.severity) for row in rows}
    for age in range(OLDEST_HOURS // 24 + 2):
        day = now.date() - timedelta(days=age)
        end = datetime.combine(day + timedelta(days=1), time(), UTC)
        for workspace, test_id, severity in keys:
            held = [
                (row.status, row.bypassed, _is_stale(row, periods, end))
                for row in rows
                if (row.workspace, row.test_id, row.severity) == (workspace, test_id, severity)
                and row.start < end
                and (row.end is None or row.end >= end)
                and row.reason_code not in GONE
            ]
            if held:
                found[day, workspace, test_id, severity] = _counted(
                    held, WEIGHTS[severity], observed=(workspace, day) in runs
                ) | {"workspace_id": None, "test_title": BY_ID[test_id].title}
    return found


def _is_stale(row: Interval, periods: Sequence[StalePeriod], end: datetime) -> bool:
    key = (row.workspace, row.test_id, row.subject_id)
    return any(
        (one.workspace, one.test_id, one.subject_id) == key and one.start < end and (one.end is None or one.end >= end)
        for one in periods
    )


def _counted(held: Sequence[tuple[str, bool, bool]], weight: int, *, observed: bool) -> dict[str, Any]:
    statuses = [status for status, _, _ in held]
    counts: dict[str, Any] = {status: statuses.count(status) for status in STATUSES}
    effective = held.count(("passing", False, False))
    others = len(held) - counts["not_applicable"] - effective
    passing, failing = counts["passing"], counts["failing"]
    return counts | {
        "score": share(passing, failing),
        "weighted_passing": weight * passing,
        "weighted_decided": weight * (passing + failing),
        "stale": sum(is_stale for _, _, is_stale in held),
        "bypassed": sum(bypassed for _, bypassed, _ in held),
        "observed": observed,
        "effective": effective if observed else None,
        "effective_share": share(effective, others) if observed else None,
    }
