"""Six weeks of the demo workspace in three runs, so that the queries of ``docs/queries.md`` have something to answer.

Day 0 is ``ASKED_ON``. Each run is a real one, now; before the next one everything in the database is moved back by the
days between them, so that the clock of the pipeline and of Postgres is never touched.

- day -40: the workspace as the demo shows it, with roster and classification.
- day -15: rules were given to ``invoice-engine`` and taken from ``billing-api``; Mira Tolland left, her account did
  not. The two-step verification export, a screenshot of PLAT's rules and a risk of ``ledger`` are accepted.
- day 0: ``billing-api`` and ``customer-portal`` were mended; Elif Castor's account is gone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bitbucket_compliance.core.database import connect
from sandbox import demo
from sandbox.process import SandboxServer
from tests.ageing import age_database
from tests.documents.questions import ASKED_ON, queries
from tests.harness import DEMO, Pipeline
from tests.pipeline.small import protect, touch

DAYS = (-40, -15, 0)
OWNER, LEAD, APPROVER = (f"airflow:{name}@example.com" for name in ("core-lead", "platform-lead", "compliance-owner"))
MIRA = "mira.tolland@example.com"


def tell(pipeline: Pipeline, server: SandboxServer, admin_dsn: str, folder: Path) -> date:
    """Let the six weeks pass; returns the day that is day 0 for the database.

    Args:
        admin_dsn: the same database for a superuser, who alone may write where rows are only added.
        folder: for the files that are imported.
    """
    for place, day in enumerate(DAYS):
        if place:
            age_database(admin_dsn, timedelta(days=day - DAYS[place - 1]))
        _happenings(server, day)
        _declare(pipeline, day, folder)
        touch(server)
        pipeline.run(server)
        if day == -15:
            _accept(pipeline)
    [row] = pipeline.query("SELECT max(finished_at)::date AS today FROM compliance.runs")
    today: date = row["today"]
    return today


def _happenings(server: SandboxServer, day: int) -> None:
    state, workspace = server.state, server.state.workspaces[0]
    if day == -15:
        protect(state.repository("invoice-engine"), 91_000)
        state.repository("billing-api").restrictions = []
    if day == 0:
        protect(state.repository("billing-api"), 92_000)
        protect(state.repository("customer-portal"), 93_000)
        workspace.members = [one for one in workspace.members if one.account.display_name != "Elif Castor"]


def _declare(pipeline: Pipeline, day: int, folder: Path) -> None:
    roster = folder / "roster.csv"
    roster.write_text(_roster(datetime.now(UTC).date() - timedelta(days=day), with_mira=day < -20), encoding="utf-8")
    pipeline.take("roster", roster)
    if day == DAYS[0]:
        pipeline.take("classification", demo.CLASSIFICATION)
    if day == -15:
        pipeline.take("mfa", demo.MFA_EXPORT)


def _roster(day_0: date, *, with_mira: bool) -> str:
    """The demo's roster, its last days counted from day 0, so that the page shows the same ones whenever."""
    rows = list(csv.DictReader(io.StringIO(demo.ROSTER.read_text(encoding="utf-8"))))
    for place, row in enumerate(rows):
        if row["end_date"]:
            ahead = row["end_date"] > "2090"
            row["end_date"] = str(day_0 + timedelta(days=200 if ahead else -50 - place))
        if row["email"] == MIRA and not with_mira:
            row |= {"status": "terminated", "end_date": str(day_0 - timedelta(days=20))}
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _accept(pipeline: Pipeline) -> None:
    """Evidence that PLAT enforces its rules, and a risk of ``ledger``: asked for by one person, accepted by another."""
    from bitbucket_compliance.registry import evidence, exceptions

    with connect() as connection:
        handed = evidence.submit(
            connection,
            ("plat-branch-rules.png", _picture()),
            test_id="branch_protection_enforced",
            workspace=DEMO,
            scope="project",
            targets=["PLAT"],
            captured_on=datetime.now(UTC).date(),
            submitted_by=LEAD,
            note="Branch rules of the project PLAT.",
        )
        evidence.decide(connection, handed.evidence_id, "accept", decided_by=APPROVER)
        asked = exceptions.ExceptionRequest(
            test_id="peer_review_required",
            workspace=DEMO,
            owner=OWNER,
            reason="Replaced by the new ledger in June.",
            # The end of 30 June, when day 0 is 31 March.
            expires_at=exceptions.end_of_day(connection, datetime.now(UTC).date() + timedelta(days=15 + 91), DEMO),
            subject="ledger",
        )
        noted = exceptions.request(connection, asked, requested_by=OWNER)
        exceptions.decide(connection, noted.exception_id, "accept", decided_by=APPROVER)
        connection.commit()


def _picture() -> bytes:
    from PIL import Image

    shown = io.BytesIO()
    Image.new("RGB", (40, 20), "white").save(shown, "PNG")
    return shown.getvalue()


# ------------------------------------------------------------------------------------------- answers


def answers(admin_dsn: str, today: date) -> dict[str, tuple[list[str], list[list[str]]]]:
    """By query, the names of the columns and the rows as text, as somebody sees them on ``ASKED_ON``."""
    found = {}
    with psycopg.connect(admin_dsn) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        for query in queries():
            cursor = ask(connection, query.asked_on(today), query.roles)
            names = [column.name for column in cursor.description or ()]
            found[query.name] = (names, [[_shown(value, today) for value in row] for row in cursor.fetchall()])
    return found


def ask(connection: psycopg.Connection[Any], statement: str, roles: Sequence[str]) -> psycopg.Cursor[Any]:
    """Run a statement as somebody who has these roles and no others."""
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE ROLE asker NOLOGIN")
        for role in roles:
            connection.execute(sql.SQL("GRANT {} TO asker").format(sql.Identifier(role)))
        connection.execute("SET LOCAL ROLE asker")
        return connection.execute(statement)


def _shown(value: Any, today: date) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return str((value + (ASKED_ON - today)).strftime("%Y-%m-%d %H:%M"))
    if isinstance(value, date):
        return str(value + (ASKED_ON - today))
    if isinstance(value, list):
        return ", ".join(_shown(one, today) for one in value)
    return "" if value is None else str(value)
