"""The benchmark of readers, at a size at which it takes a second: its history is one that publish could have left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import reporting
from tests.bench.goals import Goals
from tests.bench.reporting import Size, make_history, measure, show, statements
from tests.conftest import Database
from tests.documents.contract.catalogue import read_published

SMALL = Size(repositories=60, members=20, runs=20, share=0.1)


@pytest.fixture
def year(database: Database, dsn: str) -> Database:
    make_history(dsn, SMALL)
    return database


def test_the_made_up_history_has_no_gap_and_ends_in_the_current_results(year: Database) -> None:
    rows = year.execute(
        """
        WITH steps AS (
            SELECT *, lead(valid_from) OVER (
                PARTITION BY workspace, test_id, subject_id ORDER BY valid_from
            ) AS next_from
            FROM compliance.result_history
        )
        SELECT
            (SELECT count(*) FROM steps WHERE valid_to IS DISTINCT FROM next_from) AS gaps,
            (SELECT count(*) FROM compliance.results) AS results,
            (SELECT count(*) FROM steps WHERE valid_to IS NULL) AS open,
            (SELECT count(*) FROM compliance.results AS results INNER JOIN steps USING (workspace, test_id, subject_id)
             WHERE steps.valid_to IS NULL AND steps.status = results.status
                AND steps.exception_id IS NOT DISTINCT FROM results.exception_id) AS same,
            (SELECT count(*) FROM compliance.open_findings) AS open_findings,
            (SELECT count(*) FROM compliance.findings WHERE ended_at IS NULL) AS found,
            (SELECT count(DISTINCT valid_from) FROM steps) AS days
        """
    ).fetchall()
    [row] = rows
    subjects = 60 * 4 + 20 * 2 + 1
    assert (row["gaps"], row["results"], row["open"], row["same"]) == (0, subjects, subjects, subjects)
    assert row["open_findings"] == row["found"] > 0
    assert row["days"] == SMALL.runs


def test_so_much_changes_from_run_to_run_as_was_asked(year: Database) -> None:
    [row] = year.execute("SELECT count(*) AS n FROM compliance.result_history").fetchall()
    subjects = 60 * 4 + 20 * 2 + 1
    asked = subjects * SMALL.share * (SMALL.runs - 1)
    assert 0.85 * asked <= row["n"] - subjects <= asked * 1.05


def test_every_query_answers_and_a_slow_one_fails_the_benchmark(
    year: Database, dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reporting, "REPETITIONS", 1)
    measured = [measure(dsn, name, statement) for name, statement in statements().items()]
    assert [one.name for one in measured if not one.rows] == []
    goals = Goals()
    show(measured, goals)
    assert "Execution Time" in capsys.readouterr().out
    goals.show()
    monkeypatch.setattr(reporting, "MOST_SECONDS", 0.0)
    missed = Goals()
    show(measured, missed)
    with pytest.raises(SystemExit):
        missed.show()


def test_the_keys_that_the_contract_states_name_one_row_each_and_required_columns_are_never_null(
    year: Database,
) -> None:
    wrong, empty = [], set()
    for relation in read_published(year).relations:
        key = [column.name for column in relation.columns if column.key]
        required = " OR ".join(f"{column.name} IS NULL" for column in relation.columns if column.required) or "false"
        [row] = year.execute(
            f"SELECT count(*) AS rows, count(DISTINCT ({', '.join(key)})) AS keys,"  # type: ignore[call-overload]  # noqa: S608
            f" count(*) FILTER (WHERE {required}) AS nulls FROM compliance.{relation.name}"
        ).fetchall()
        if row["rows"] != row["keys"] or row["nulls"]:
            wrong.append(relation.name)
        if not row["rows"]:
            empty.add(relation.name)
    assert wrong == []
    assert sorted(empty - {"exception_endings"}) == [], "a key is tried on rows"


def test_the_consoles_trend_is_that_of_the_published_view(year: Database) -> None:
    console = Path(__file__).parents[2] / "plugins/compliance_console_app/sql/overview/trend.sql"
    [shown] = year.execute("SELECT current_date - min(day) AS days FROM compliance.daily_trend").fetchall()
    for days in (7, shown["days"] + 10):
        values = {"workspace": reporting.WORKSPACE, "days": days}
        published = year.execute(
            "SELECT day, test_id, passing, failing, weighted_passing, weighted_decided FROM compliance.daily_trend"
            " WHERE workspace = %(workspace)s AND day > (now() AT TIME ZONE 'UTC')::date - %(days)s::integer",
            values,
        ).fetchall()
        trend = year.execute(console.read_bytes(), values).fetchall()
        keys = published[0].keys()
        assert sorted(tuple(row[key] for key in keys) for row in trend) == sorted(tuple(r.values()) for r in published)
