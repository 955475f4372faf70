"""Samples that anybody draws again: by SHA-256 over the seed and the key, as many as the policy says."""

from __future__ import annotations

import json
import time
from datetime import date
from hashlib import sha256
from typing import Any

import psycopg
import pytest

from bitbucket_compliance.security_tests.policies import load_policy
from tests.conftest import Database

FROM, TO = date(2026, 1, 1), date(2026, 3, 31)


def merged(database: Database, count: int, on: str = "2026-02-01", kind: str = "pull_request") -> list[str]:
    """So many changes of one repository; their keys."""
    database.execute(
        "INSERT INTO compliance.changes (workspace, repository_id, kind, change_key, merged_on, forced, removed,"
        " policy_version, first_run_id, recorded_at)"
        " SELECT 'acme', '{a}', %s, number::text, %s, false, false, 'p', 'run', now()"
        " FROM generate_series(1, %s) AS given (number)",
        (kind, on, count),
    )
    return [f"{{a}} {kind} {number}" for number in range(1, count + 1)]


def sample(database: Database, **more: Any) -> list[dict[str, Any]]:
    given = {"workspace": "acme", "population": "changes", "seed": None, "frequency": None, "items": None, **more}
    return database.execute(
        "SELECT * FROM compliance.sample(%(workspace)s, %(population)s, %(first)s, %(last)s, %(seed)s, %(frequency)s,"
        " %(items)s)",
        {"first": FROM, "last": TO, **given},
    ).fetchall()


@pytest.mark.parametrize("seed", [None, "auditor's choice"])
def test_a_sample_is_drawn_again_with_nothing_but_sha_256(database: Database, seed: str | None) -> None:
    keys = merged(database, 60)
    used = seed or sha256("\n".join(sorted(keys)).encode()).hexdigest()
    drawn = sorted(keys, key=lambda key: sha256((used + key).encode()).digest())[:6]
    rows = sample(database, seed=seed)
    assert [row["key"] for row in rows] == drawn
    assert [row["place"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert {(row["seed"], row["population_size"], row["sample_size"]) for row in rows} == {(used, 60, 6)}
    assert rows[0]["draw_digest"] == sha256((used + drawn[0]).encode()).hexdigest()


@pytest.mark.parametrize(
    ("population", "size"),
    [(1, 1), (4, 4), (5, 5), (6, 5), (50, 5), (51, 6), (250, 25), (251, 25), (4000, 25)],
)
def test_the_policy_says_how_many(database: Database, population: int, size: int) -> None:
    merged(database, population)
    assert len(sample(database)) == size


def test_by_frequency_or_by_the_auditors_own_number(database: Database) -> None:
    merged(database, 40)
    found = {frequency: len(sample(database, frequency=frequency)) for frequency in ("daily", "weekly", "monthly")}
    assert found == {"daily": 25, "weekly": 10, "monthly": 3}
    assert len(sample(database, items=7)) == 7 and len(sample(database, items=700)) == 40


def test_a_workspaces_own_table_counts(database: Database) -> None:
    merged(database, 40)
    database.execute(
        "INSERT INTO registry.policy_versions (policy_version, body) VALUES ('own',"
        """ '{"thresholds": {"sample_sizes": ["39: 1", "more: 50 %"]}}')"""
    )
    database.execute(
        "INSERT INTO integration.runs (run_id, workspace, started_at, policy_version)"
        " VALUES ('run', 'acme', now(), 'own')"
    )
    assert len(sample(database)) == 20


def test_the_table_that_is_delivered_is_the_one_that_a_database_without_runs_uses(database: Database) -> None:
    [row] = database.execute(
        "SELECT prosrc FROM pg_proc WHERE oid = 'compliance.sample_size(text, bigint, text)'::regprocedure"
    ).fetchall()
    delivered = load_policy().thresholds
    assert json.dumps(delivered.sample_sizes) in row["prosrc"]
    for frequency in ("daily", "weekly", "monthly"):
        assert f"WHEN '{frequency}' THEN {delivered[f'sample_items_{frequency}']}" in row["prosrc"]


def test_only_what_lies_in_the_period_and_in_scope_is_drawn(database: Database) -> None:
    merged(database, 3)
    merged(database, 2, on="2026-04-01 00:00+00", kind="direct_push")
    database.execute("UPDATE compliance.changes SET classification = 'non_production' WHERE change_key = '3'")
    assert {row["key"] for row in sample(database)} == {"{a} pull_request 1", "{a} pull_request 2"}
    database.execute("UPDATE compliance.changes SET merged_on = '2026-03-31 23:59+00' WHERE kind = 'direct_push'")
    assert len(sample(database, population="direct_pushes")) == 2
    assert len(sample(database, population="pull_requests")) == 2
    assert sample(database, workspace="other") == []


def test_an_unknown_population_is_refused_with_those_there_are(database: Database) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="there is no population 'merges'") as refused:
        sample(database, population="merges")
    assert "changes, pull_requests, direct_pushes, leavers" in str(refused.value.diag.message_hint)


@pytest.mark.parametrize("population", ["findings", "exceptions", "evidence", "joiners"])
def test_every_population_can_be_drawn_by_a_reader_but_people(database: Database, population: str) -> None:
    database.execute("SET ROLE compliance_reader")
    assert sample(database, population=population) == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sample(database, population="leavers")


@pytest.mark.slow
def test_half_a_million_changes_are_drawn_from_in_seconds(database: Database) -> None:
    merged(database, 500_000)
    started = time.monotonic()
    assert len(sample(database)) == 25
    took = time.monotonic() - started
    print(f"a sample of 500,000 changes took {took:.1f} s")
    assert took < 15
