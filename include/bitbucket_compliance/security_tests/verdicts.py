"""The row every test written in Python returns, and how such rows reach ``judged.verdicts``."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg

from bitbucket_compliance.core.database import as_json, copy_rows
from bitbucket_compliance.security_tests.model import SecurityTest


@dataclass(frozen=True)
class Verdict:
    """One subject's verdict; ``detail`` and ``facts`` as design.md §4 and §5 ask."""

    subject_id: str
    subject_name: str | None
    status: str
    basis: str | None
    reason_code: str
    reason: str
    data_as_of: datetime | None
    detail: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def write_verdicts(
    connection: psycopg.Connection[Any],
    test: SecurityTest,
    verdicts: Iterable[Verdict],
    *,
    workspace: str,
    run_id: str,
    evaluated_at: datetime,
) -> int:
    """Copy verdicts into ``judged.verdicts``; joins the caller's transaction. Returns how many."""
    return copy_rows(
        connection,
        "COPY judged.verdicts (workspace, run_id, test_id, subject_type, subject_id, subject_name, status, basis,"
        " reason_code, reason, detail, facts, data_as_of, evaluated_at) FROM STDIN",
        (
            (
                workspace,
                run_id,
                test.test_id,
                test.subject_type,
                verdict.subject_id,
                verdict.subject_name,
                verdict.status,
                verdict.basis,
                verdict.reason_code,
                verdict.reason,
                as_json(verdict.detail),
                as_json(verdict.facts),
                verdict.data_as_of,
                evaluated_at,
            )
            for verdict in verdicts
        ),
    )
