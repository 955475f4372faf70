"""Publications without a run around them: verdicts go straight to ``judged``, then ``publish`` does what it does.

A board is one workspace; many of them share a database, so that each example of a property has one of its own. Time
passes by making everything that stands there older.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from bitbucket_compliance.pipeline.publish.publish import publish
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.policy.model import Policy
from bitbucket_compliance.security_tests import BY_ID
from bitbucket_compliance.security_tests.policies import load_policy
from local.postgres import EmbeddedPostgres
from tests.databases import copied, unguarded

PEERS = "peer_review_required"
CODES = {
    "passing": "required_and_enforced",
    "failing": "no_matching_rule",
    "pending": "too_few_merges",
    "error": "extract_failed",
    "not_applicable": "non_production",
}
SHOWN = ("test_id", "subject_id", "status", "basis", "reason_code", "facts_hash", "exception_id", "policy_version")

Row = dict[str, Any]
Database = psycopg.Connection[Row]
_numbers = itertools.count(1)

# Every instant that counts for results and exceptions of a workspace.
_TIMES = {
    "compliance.results": (
        "first_seen_at",
        "status_since",
        "failing_since",
        "due_at",
        "exception_expires_at",
        "data_as_of",
        "fresh_until",
        "evaluated_at",
    ),
    "compliance.result_history": ("valid_from", "valid_to"),
    "compliance.finding_records": ("found_at", "due_at", "ended_at"),
    "compliance.repository_history": ("valid_from", "valid_to", "recorded_at"),
    "compliance.stale_records": ("stale_from", "stale_to"),
    "compliance.exception_endings": ("ended_at",),
    "integration.publications": ("published_at",),
    "registry.exceptions": ("requested_at", "expires_at"),
}


@dataclass(frozen=True)
class Judged:
    """One verdict; ``facts`` stands for whatever decided."""

    status: str
    facts: str = ""
    basis: str | None = "configuration"
    reason_code: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def database_for_boards(postgres: EmbeddedPostgres, name: str) -> Iterator[Database]:
    """A connection to a fresh migrated database; the caller commits."""
    with copied(postgres, name) as address, psycopg.connect(address, row_factory=dict_row) as opened:
        opened.execute("SET TIME ZONE 'UTC'")
        opened.commit()
        yield opened


class Board:
    """The published results of one workspace."""

    def __init__(self, connection: Database):
        self.connection = connection
        self.workspace = f"board-{next(_numbers)}"
        self.policy: Policy = load_policy()

    def with_policy(self, **thresholds: Any) -> Board:
        """Numbers of the policy that differ from the defaults."""
        changed = self.policy.thresholds.model_copy(update=thresholds)
        self.policy = self.policy.model_copy(update={"thresholds": changed})
        return self

    def switch(self, test_id: str, *, on: bool) -> None:
        """Switch a test on or off."""
        tests = {**self.policy.tests, test_id: self.policy.tests[test_id].model_copy(update={"enabled": on})}
        self.policy = self.policy.model_copy(update={"tests": tests})

    def repository(self, slug: str, project: str = "CORE") -> str:
        """A staged repository, so that the inventory knows its project; returns its id."""
        self._see(f"{{{slug}}}", project)
        self.connection.commit()
        return f"{{{slug}}}"

    def publish(
        self, verdicts: Mapping[Any, Judged], *, data_as_of: datetime | None = None, listed: Set[str] | None = None
    ) -> str:
        """Publish verdicts by subject, or by (test, subject); a subject is called like its id without braces.

        Args:
            listed: ids of the repositories that a whole listing of the run names; None: no listing was whole.
        """
        connection, run_id = self.connection, f"publication {next(_numbers)}"
        run = Run(self.workspace, run_id, datetime.now(UTC), False, self.policy, self.policy.version, None)
        connection.execute(
            "INSERT INTO registry.policy_versions (policy_version, body) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (run.policy_version, Jsonb(self.policy.model_dump(mode="json"))),
        )
        connection.execute(
            "INSERT INTO integration.runs (run_id, workspace, started_at, policy_version) VALUES (%s, %s, %s, %s)",
            (run_id, self.workspace, run.started_at, run.policy_version),
        )
        connection.execute(
            "INSERT INTO integration.workspace_leases (workspace, run_id, renewed_at) VALUES (%s, %s, now())"
            " ON CONFLICT (workspace) DO UPDATE SET run_id = excluded.run_id",
            (self.workspace, run_id),
        )
        if listed is not None:
            self._list(run, listed)
        for key, verdict in verdicts.items():
            test_id, subject = key if isinstance(key, tuple) else (PEERS, key)
            if BY_ID[test_id].subject_type == "repository":
                self._see(subject)
            if self.policy.enabled(test_id):
                self._judge(run, test_id, subject, verdict, data_as_of or run.started_at)
        connection.commit()
        publish(connection, run)
        return run_id

    def _list(self, run: Run, repositories: Set[str]) -> None:
        self.connection.execute("DELETE FROM staging.repositories WHERE workspace = %s", (self.workspace,))
        for one in repositories:
            self.repository(one.strip("{}"))
        self.connection.execute(
            "INSERT INTO landing.calls (workspace, run_id, resource, repository_id, outcome, fetched_at)"
            " VALUES (%s, %s, 'repositories', '', 'ok', now())",
            (self.workspace, run.run_id),
        )

    def _see(self, repository_id: str, project: str = "CORE") -> None:
        """Only what is staged is judged, also where no listing was whole."""
        self.connection.execute(
            "INSERT INTO staging.repositories (workspace, repository_id, slug, name, project_key, data_as_of)"
            " VALUES (%s, %s, %s, %s, %s, now()) ON CONFLICT DO NOTHING",
            (self.workspace, repository_id, repository_id.strip("{}"), repository_id.strip("{}"), project),
        )

    def _judge(self, run: Run, test_id: str, subject: str, verdict: Judged, data_as_of: datetime) -> None:
        self.connection.execute(
            "INSERT INTO judged.verdicts (workspace, run_id, test_id, subject_type, subject_id, subject_name, status,"
            " basis, reason_code, reason, detail, facts, data_as_of, evaluated_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'because', %s, %s, %s, %s)",
            (
                self.workspace,
                run.run_id,
                test_id,
                BY_ID[test_id].subject_type,
                subject,
                subject.strip("{}"),
                verdict.status,
                verdict.basis if verdict.status in ("passing", "failing") else None,
                verdict.reason_code or CODES[verdict.status],
                json.dumps(dict(verdict.detail)),
                json.dumps({"facts": verdict.facts}),
                data_as_of,
                run.started_at,
            ),
        )

    # what readers see

    def query(self, statement: str, *values: object) -> list[Row]:
        """Rows of one statement."""
        rows = self.connection.execute(statement, values).fetchall()  # type: ignore[arg-type]
        self.connection.commit()
        return rows

    def findings(self) -> list[Row]:
        """All findings, in the order in which they were found."""
        return self.query(
            "SELECT * FROM compliance.findings WHERE workspace = %s ORDER BY found_at, test_id, subject_id",
            self.workspace,
        )

    def current(self) -> dict[str, Row]:
        """Current results of the test about peers, by subject."""
        rows = self.query(
            "SELECT * FROM compliance.current_results WHERE workspace = %s AND test_id = %s", self.workspace, PEERS
        )
        return {row["subject_id"]: row for row in rows}

    def shown(self) -> list[tuple[str, ...]]:
        """Everything that current results say and history repeats."""
        return comparable(
            self.query("SELECT * FROM compliance.current_results WHERE workspace = %s", self.workspace),
        )

    def shown_at(self, instant: datetime) -> list[tuple[str, ...]]:
        """The same as history tells it of an instant."""
        return comparable(
            self.query("SELECT * FROM compliance.results_as_of(%s) WHERE workspace = %s", instant, self.workspace)
        )

    def history(self, subject: str | None = None) -> list[Row]:
        """All intervals, or those of one subject, in order."""
        return self.query(
            "SELECT * FROM compliance.result_history WHERE workspace = %s AND subject_id = coalesce(%s, subject_id)"
            " ORDER BY test_id, subject_id, valid_from",
            self.workspace,
            subject,
        )

    def now(self) -> datetime:
        """The server's clock."""
        instant: datetime = self.query("SELECT clock_timestamp() AS now")[0]["now"]
        return instant

    # time

    def age(self, by: timedelta) -> None:
        """Make everything older: as if so much time had passed; a negative one puts the server's clock back."""
        with unguarded(self.connection):
            self._shift(by)

    def _shift(self, by: timedelta) -> None:
        for table, columns in _TIMES.items():
            changes = sql.SQL(", ").join(
                sql.SQL("{0} = {0} - %(by)s").format(sql.Identifier(column)) for column in columns
            )
            self.connection.execute(
                sql.SQL("UPDATE {} SET {} WHERE workspace = %(workspace)s").format(
                    sql.Identifier(*table.split(".")), changes
                ),
                {"by": by, "workspace": self.workspace},
            )
        self.connection.execute(
            "UPDATE registry.exception_decisions AS decisions SET decided_at = decisions.decided_at - %s"
            " FROM registry.exceptions AS exceptions"
            " WHERE exceptions.exception_id = decisions.exception_id AND exceptions.workspace = %s",
            (by, self.workspace),
        )


def comparable(rows: list[Row]) -> list[tuple[str, ...]]:
    """Rows of results or of history in one form and order."""
    return sorted(tuple(str(row[name]) for name in SHOWN) for row in rows)


def assert_whole(rows: list[Row]) -> None:
    """Intervals of a subject follow each other without overlap and without gap, each other than the one before."""
    for _, group in itertools.groupby(rows, key=lambda row: (row["test_id"], row["subject_id"])):
        chain = list(group)
        for before, after in itertools.pairwise(chain):
            assert before["valid_from"] < before["valid_to"] == after["valid_from"], (before, after)
            key = ("status", "basis", "reason_code", "facts_hash", "exception_id", "policy_version")
            assert [before[name] for name in key] != [after[name] for name in key], (before, after)
        assert chain[-1]["valid_to"] is None
