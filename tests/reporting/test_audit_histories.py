"""What auditors read of decisions, in one shape: who, when, what was before and after, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bitbucket_compliance.registry.imports import import_file
from bitbucket_compliance.registry.imports.take_back import take_back
from tests.conftest import Database
from tests.pipeline.small import write_csv

VIEWS = ("access_review", "classification", "evidence", "exception", "policy")
COLUMNS = "target_type,target,classification,sensitivity,owner,workspace"
NIL = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def database(database: Database) -> Database:
    database.execute("INSERT INTO registry.policy_versions (policy_version, body) VALUES ('p', '{}')")
    return database


def told(database: Database, view: str, *columns: str) -> list[tuple[Any, ...]]:
    rows = database.execute(
        f"SELECT * FROM compliance.{view}_history ORDER BY happened_at, entry_id"  # type: ignore[arg-type]  # noqa: S608
    ).fetchall()
    return [tuple(row[column] for column in columns) for row in rows]


def test_all_of_them_have_one_shape(database: Database) -> None:
    shapes = database.execute(
        "SELECT DISTINCT array_agg(column_name::text || ' ' || data_type ORDER BY ordinal_position) AS shape"
        " FROM information_schema.columns WHERE table_schema = 'compliance' AND table_name = ANY(%s)"
        " GROUP BY table_name",
        ([f"{view}_history" for view in VIEWS],),
    ).fetchall()
    assert len(shapes) == 1
    assert shapes[0]["shape"][:2] == ["workspace text", "kind text"]


def test_evidence_is_submitted_accepted_and_expires_unless_it_was_withdrawn_before(database: Database) -> None:
    for number, age in ((1, 200), (2, 5), (3, 200)):
        database.execute(
            "INSERT INTO registry.evidence (evidence_id, test_id, scope, workspace, kind, captured_on, submitted_by,"
            " submitted_at, file_name, file_sha256, note) VALUES"
            " (%s, 'workspace_mfa_enforced', 'workspace', 'acme', 'screenshot', current_date - %s, 'airflow:ada',"
            " now() - interval '190 days', 'a.png', 'f00d', 'settings page')",
            (f"{NIL[:-1]}{number}", age),
        )
        database.execute(
            "INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by, decided_at, policy_version)"
            " VALUES (%s, 'accepted', 'airflow:bob', now() - interval '189 days', 'p')",
            (f"{NIL[:-1]}{number}",),
        )
    database.execute(
        "INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by, decided_at, reason,"
        " policy_version) VALUES (%s, 'withdrawn', 'airflow:eve', now() - interval '188 days', 'wrong page', 'p')",
        (f"{NIL[:-1]}3",),
    )
    rows = told(database, "evidence", "subject", "kind", "who", "reason")
    assert [row[1:] for row in rows if row[0].endswith("1")] == [
        ("submitted", "airflow:ada", "settings page"),
        ("accepted", "airflow:bob", None),
        ("expired", None, "Its validity, which counts from the day of capture, ended."),
    ]
    assert [row[1] for row in rows if row[0].endswith("2")] == ["submitted", "accepted"]
    assert [row[1] for row in rows if row[0].endswith("3")] == ["submitted", "accepted", "withdrawn"]
    befores = told(database, "evidence", "subject", "before")
    assert [row[1] for row in befores if row[0].endswith("3")] == [
        None, {"status": "submitted"}, {"status": "accepted"},
    ]  # fmt: skip


def test_an_accepted_risk_is_asked_for_accepted_and_expires(database: Database) -> None:
    database.execute(
        "INSERT INTO registry.exceptions (exception_id, workspace, test_id, scope, target, owner, reason, expires_at,"
        " requested_by, requested_at) VALUES (%s, 'acme', 'peer_review_required', 'subject', '{a}', 'airflow:ada',"
        " 'a pilot', now() - interval '1 day', 'airflow:ada', now() - interval '9 days')",
        (NIL,),
    )
    database.execute(
        "INSERT INTO registry.exception_decisions (exception_id, decision, decided_by, decided_at, reason,"
        " policy_version) VALUES (%s, 'accepted', 'airflow:bob', now() - interval '8 days', 'until the audit', 'p')",
        (NIL,),
    )
    database.execute(
        "INSERT INTO compliance.exception_endings (exception_id, workspace, test_id, subject_id, facts_hash, ended_at,"
        " cause) VALUES (%s, 'acme', 'peer_review_required', '{a}', 'h', now() - interval '2 days', 'facts_changed')",
        (NIL,),
    )
    assert told(database, "exception", "kind", "who", "reason") == [
        ("requested", "airflow:ada", "a pilot"),
        ("accepted", "airflow:bob", "until the audit"),
        ("facts_changed", None, "Other facts than those that were accepted came up for this subject."),
        ("expired", None, "The date until which it was accepted passed."),
    ]


def test_a_policy_is_set_proposed_decided_and_judged_by(database: Database) -> None:
    database.execute(
        "INSERT INTO registry.policy_versions (policy_version, body) VALUES"
        """ ('old', '{"tests": {}, "evidence": {}, "thresholds": {"a": 1, "b": 2}}'),"""
        """ ('new', '{"tests": {}, "evidence": {}, "thresholds": {"a": 1, "b": 3}}')"""
    )
    database.execute(
        "INSERT INTO registry.policy_overrides (workspace, body, set_by, set_at, reason, lowers) VALUES"
        """ ('acme', '{"thresholds": {"b": 2}}', 'airflow:ada', now() - interval '9 days', 'first', '{}'),"""
        """ ('acme', '{"thresholds": {"b": 3}}', 'airflow:ada', now() - interval '8 days', 'less', '{thresholds.b}')"""
    )
    database.execute(
        "INSERT INTO registry.policy_decisions (override_id, decision, decided_by, decided_at, reason, policy_version)"
        " SELECT max(override_id), 'accepted', 'airflow:bob', now() - interval '7 days', 'agreed', 'old'"
        " FROM registry.policy_overrides"
    )
    for run, version, days in (("r1", "old", 8), ("r2", "old", 7), ("r3", "new", 6)):
        database.execute(
            "INSERT INTO integration.runs (run_id, workspace, started_at, status, policy_version)"
            " VALUES (%s, 'acme', now() - make_interval(days => %s, hours => 1), 'published', %s)",
            (run, days, version),
        )
    first, less = {"thresholds": {"b": 2}}, {"thresholds": {"b": 3}}
    rows = told(database, "policy", "kind", "who", "before", "after", "reason")
    assert [row for row in rows if row[0] != "judged_by"] == [
        ("set", "airflow:ada", None, first, "first"),
        ("proposed", "airflow:ada", first, less, "less"),
        ("accepted", "airflow:bob", first, less, "agreed"),
    ]
    last = rows[-1]
    assert last[:4] == ("judged_by", None, {"thresholds.b": 2}, {"thresholds.b": 3})
    assert len([row for row in rows if row[0] == "judged_by"]) == 2


def test_a_classification_is_declared_changed_and_taken_back(database: Database, tmp_path: Path) -> None:
    def declare(classification: str, name: str) -> int:
        rows = [("repository", "shop", classification, "", "", "acme")]
        path = write_csv(tmp_path / name, COLUMNS, rows)
        import_file(database, "classification", path, imported_by="os:ada")
        [row] = database.execute("SELECT max(import_id) AS import_id FROM registry.imports").fetchall()
        found: int = row["import_id"]
        return found

    first = declare("production", "first.csv")
    second = declare("non_production", "second.csv")
    for import_id, why in ((second, "wrong file"), (first, "wrong too")):
        take_back(database, import_id, taken_back_by="os:bob", reason=why)
    rows = told(database, "classification", "kind", "who", "before", "after", "reason")
    assert [
        (kind, who, before and before["classification"], after and after["classification"], reason)
        for kind, who, before, after, reason in rows
    ] == [
        ("declared", "os:ada", None, "production", "Imported from first.csv."),
        ("declared", "os:ada", "production", "non_production", "Imported from second.csv."),
        ("stands_again", "os:bob", "non_production", "production", "wrong file"),
        ("taken_back", "os:bob", "production", None, "wrong too"),
    ]


def test_decisions_of_the_access_review_are_for_who_may_see_employment(database: Database) -> None:
    for decision, reason in (("keep", None), ("revoke", "left the team")):
        database.execute(
            "INSERT INTO registry.access_reviews (workspace, member_id, role, needs_review, decision, reason,"
            " reviewed_by) VALUES ('acme', '{m}', 'member', false, %s, %s, 'airflow:ada')",
            (decision, reason),
        )
    database.execute(
        "INSERT INTO registry.access_review_sign_offs (workspace, members, kept, revoked, signed_off_by)"
        " VALUES ('acme', 1, 0, 1, 'airflow:bob')"
    )
    rows = told(database, "access_review", "kind", "who", "before", "reason")
    assert [(kind, who, before and before["decision"], reason) for kind, who, before, reason in rows] == [
        ("keep", "airflow:ada", None, None),
        ("revoke", "airflow:ada", "keep", "left the team"),
        ("signed_off", "airflow:bob", None, None),
    ]
