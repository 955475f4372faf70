"""Random histories of verdicts, and the same figures as the views give, worked out row by row in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from hypothesis import strategies as st

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
    start: datetime
    end: datetime | None

    @property
    def severity(self) -> str:
        return POLICIES[self.policy][0][self.test_id]


def _told() -> st.SearchStrategy[tuple[str, str, str, bool]]:
    """Status, reason code, policy, and whether an exception covers it."""
    statuses = st.sampled_from([*STATUSES, "failing", "gone", "disabled"])

    def told(status: str, policy: str, excepted: bool) -> tuple[str, str, str, bool]:
        if status in ("gone", "disabled"):
            return "not_applicable", GONE[status == "disabled"], policy, False
        return status, f"because_{status}", policy, excepted and status == "failing"

    return st.builds(told, statuses, st.sampled_from([*POLICIES]), st.booleans())


def histories(now: datetime) -> st.SearchStrategy[list[Interval]]:
    """Histories of a few subjects over ten days: no gap, no overlap, the last interval open, as publish keeps them."""
    subject = st.tuples(
        st.sampled_from(["acme", "other"]),
        st.sampled_from(["peer_review_required", "repo_classified"]),
        st.sampled_from(["{a}", "{b}", "{c}"]),
    )
    # Midnights are where days are told apart, so they have to come up.
    midnight = datetime.combine(now.date(), time(), UTC)
    instants = st.one_of(
        st.integers(0, OLDEST_HOURS).map(lambda hours: now - timedelta(hours=hours, minutes=7)),
        st.integers(0, OLDEST_HOURS // 24).map(lambda days: midnight - timedelta(days=days)),
    )
    changes = st.lists(instants, min_size=1, max_size=7, unique=True).map(sorted)
    per_subject = st.tuples(changes, st.lists(_told(), min_size=7, max_size=7))

    def rows(chosen: dict[tuple[str, str, str], tuple[list[datetime], list[Any]]]) -> list[Interval]:
        return [
            Interval(*key, *told, start, end)
            for key, (starts, tellings) in chosen.items()
            for start, end, told in zip(starts, [*starts[1:], None], tellings, strict=False)
        ]

    return st.dictionaries(subject, per_subject, min_size=1, max_size=5).map(rows)


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
    database.cursor().executemany(
        "INSERT INTO compliance.result_history (workspace, test_id, subject_type, subject_id, subject_name, severity,"
        " status, reason_code, reason, detail, facts_hash, exception_id, policy_version, run_id, valid_from, valid_to)"
        " VALUES (%s, %s, 'repository', %s, %s, %s, %s, %s, '', '{}', '', %s, %s, 'run', %s, %s)",
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


def trend(rows: Sequence[Interval], now: datetime) -> dict[tuple[date, str, str, str], dict[str, Any]]:
    """What ``daily_trend`` has to show: each day anew, from every interval that held at its end."""
    found = {}
    keys = {(row.workspace, row.test_id, row.severity) for row in rows}
    for age in range(OLDEST_HOURS // 24 + 2):
        day = now.date() - timedelta(days=age)
        end = datetime.combine(day + timedelta(days=1), time(), UTC)
        for workspace, test_id, severity in keys:
            held = [
                row.status
                for row in rows
                if (row.workspace, row.test_id, row.severity) == (workspace, test_id, severity)
                and row.start < end
                and (row.end is None or row.end >= end)
                and row.reason_code not in GONE
            ]
            if held:
                found[day, workspace, test_id, severity] = _counted(held, WEIGHTS[severity])
    return found


def _counted(held: Sequence[str], weight: int) -> dict[str, Any]:
    counts: dict[str, Any] = {status: held.count(status) for status in STATUSES}
    passing, failing = counts["passing"], counts["failing"]
    return counts | {
        "score": share(passing, failing),
        "weighted_passing": weight * passing,
        "weighted_decided": weight * (passing + failing),
        # no run stands behind these histories
        "stale": len(held),
        "bypassed": 0,
        "observed": False,
        "workspace_id": None,
    }
