"""A registry and a workspace that was read, for the tests of evidence."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from bitbucket_compliance.registry.evidence import Decided, decide, submit
from tests.conftest import Database
from tests.databases import unguarded
from tests.registry.files import picture

WORKSPACE = "Acme"
ADA, BO = "airflow:ada", "airflow:bo"
_EMPTY = (
    "registry.evidence_decisions",
    "registry.evidence_subjects",
    "registry.evidence_members",
    "registry.evidence",
    "registry.people",
    "registry.refused_rows",
    "registry.import_withdrawals",
    "registry.imports",
    "registry.policy_decisions",
    "registry.policy_overrides",
    "staging.repositories",
    "staging.members",
    "staging.member_emails",
    "staging.workspaces",
    "staging.coverage",
    "compliance.results",
    "integration.runs",
)


def today() -> date:
    """As the default policy has it."""
    return datetime.now(UTC).date()


def identity(name: str) -> str:
    """A uuid with braces, the same for the same name."""
    return "{" + str(uuid.uuid5(uuid.NAMESPACE_URL, name)) + "}"


class Registry:
    """What people declare, and what was read of one workspace."""

    def __init__(self, dsn: str, database: Database, store: Path):
        self.dsn = dsn
        self.database = database
        self.store = store

    def empty(self) -> None:
        self.database.rollback()
        with unguarded(self.database):
            for table in _EMPTY:
                self.database.execute(f"DELETE FROM {table}")  # type: ignore[arg-type]  # noqa: S608

    # a workspace that was read

    def workspace(self) -> Registry:
        return self._insert("workspaces", workspace=WORKSPACE, workspace_id=identity(WORKSPACE))

    def repository(self, slug: str, project: str = "CORE", created_on: datetime | None = None) -> Registry:
        return self._insert(
            "repositories",
            workspace=WORKSPACE,
            repository_id=identity(slug),
            slug=slug,
            project_key=project,
            created_on=created_on,
        )

    def member(self, name: str, account_id: str | None = None, email: str = "", kind: str = "user") -> Registry:
        if email:
            self._insert("member_emails", workspace=WORKSPACE, email=email, member_id=identity(name))
        return self._insert(
            "members",
            workspace=WORKSPACE,
            member_id=identity(name),
            account_id=account_id,
            display_name=name,
            member_type=kind,
        )

    def looked_up(self, at: datetime) -> Registry:
        """A run asked Bitbucket for the declared addresses."""
        self.database.execute(
            "INSERT INTO staging.coverage (workspace, repository_id, resource, outcome, complete, run_id, data_as_of)"
            " VALUES (%s, '', 'member_emails', 'ok', true, 'run', %s)",
            (WORKSPACE, at),
        )
        self.database.commit()
        return self

    def first_seen(self, member: str, at: datetime) -> Registry:
        """The member's verdict as published, since then."""
        values = {
            "workspace": WORKSPACE, "test_id": "user_mfa_enabled", "test_title": "t", "severity": "critical",
            "subject_type": "member", "subject_id": identity(member), "status": "pending", "reason_code": "r",
            "reason": "r", "detail": "{}", "first_seen_at": at, "status_since": at, "evaluated_at": at,
            "run_id": "run", "policy_version": "p", "facts_hash": "f",
        }  # fmt: skip
        return self._put("compliance.results", values)

    def _insert(self, table: str, **values: Any) -> Registry:
        return self._put(f"staging.{table}", values | {"data_as_of": datetime.now(UTC)})

    def _put(self, table: str, values: dict[str, Any]) -> Registry:
        columns, places = ", ".join(values), ", ".join(["%s"] * len(values))
        self.database.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({places})",  # type: ignore[arg-type]  # noqa: S608
            tuple(values.values()),
        )
        self.database.commit()
        return self

    # evidence

    def submit(
        self,
        test_id: str = "branch_protection_enforced",
        scope: str | None = "workspace",
        targets: Sequence[str] = (),
        *,
        file: Path | tuple[str, bytes] | None = None,
        workspace: str | None = WORKSPACE,
        captured_on: date | None = None,
        by: str = ADA,
        note: str | None = None,
    ) -> str:
        """Hand in evidence as Ada, captured today; its id."""
        submission = submit(
            self.database,
            file or ("shot.png", picture()),
            test_id=test_id,
            workspace=workspace,
            scope=scope,
            targets=targets,
            captured_on=captured_on or today(),
            submitted_by=by,
            note=note,
        )
        self.database.commit()
        return submission.evidence_id

    def decide(self, evidence_id: str, decision: str = "accept", by: str = BO, reason: str | None = None) -> Decided:
        """Decide as Bo."""
        decided = decide(self.database, evidence_id, decision, decided_by=by, reason=reason)
        self.database.commit()
        return decided

    def accepted(self, *args: Any, **more: Any) -> str:
        """Hand in evidence and accept it."""
        evidence_id = self.submit(*args, **more)
        self.decide(evidence_id)
        return evidence_id

    def covered(self, evidence_id: str) -> list[str]:
        """Names of the subjects that it covers."""
        return [
            row["subject_name"]
            for row in self.rows(
                "SELECT subject_name FROM registry.evidence_subjects WHERE evidence_id = %s ORDER BY subject_name",
                evidence_id,
            )
        ]

    def status(self, evidence_id: str) -> str:
        """As published."""
        return str(self.row("SELECT status FROM compliance.evidence WHERE evidence_id = %s", evidence_id)["status"])

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        found = self.database.execute(statement, values).fetchall()  # type: ignore[arg-type]
        self.database.commit()
        return found

    def row(self, statement: str, *values: Any) -> dict[str, Any]:
        (row,) = self.rows(statement, *values)
        return row

    def kept(self) -> list[Path]:
        """The files in the store."""
        return sorted(path for path in self.store.rglob("*") if path.is_file())

    def is_empty(self) -> bool:
        """Whether neither a row nor a file is there."""
        return not self.kept() and not self.rows(
            "SELECT 1 FROM registry.evidence UNION ALL SELECT 1 FROM registry.evidence_members"
        )


def days_ago(days: float) -> datetime:
    """An instant before now."""
    return datetime.now(UTC) - timedelta(days=days)
