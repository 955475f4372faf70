"""`make policy`, `make unclassify` and the rosters of `make import` that come from no file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitbucket_compliance.security_tests.policies import keys
from local import __main__ as command_line
from local.commands import Usage, import_files, roster_jobs
from tests.conftest import Database


@pytest.fixture
def overrides(tmp_path: Path) -> Path:
    path = tmp_path / "overrides.yaml"
    path.write_text("thresholds: {min_approvals: 2}\n")
    return path


def test_a_policy_is_set_shown_and_taken_back(
    database: Database, overrides: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["policy", "--workspace", "Acme", "--file", str(overrides), "--reason", "why"]) == 0
    assert command_line.main(["policy", "--workspace", "acme", "--file", "none"]) == 0
    said, again = capsys.readouterr().out.split("policy of workspace acme, version ")[1:]
    assert said == again
    assert "thresholds.min_approvals: 2 (delivered: 1; set by workspace acme)" in said
    assert "in force, by " in said and "(why)" in said
    overrides.write_text("")
    assert command_line.main(["policy", "--workspace", "acme", "--file", str(overrides), "--reason", "done"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {key.name}: " in said and f"  # {key.meaning}" in said for key in keys())
    assert "delivered:" not in said
    assert len(database.execute("SELECT 1 FROM registry.policy_overrides").fetchall()) == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "usage: make policy"),
        (["--workspace", "a b"], "usage: make policy"),
        (["--workspace", "acme", "--file", "/no/such.yaml", "--reason", "x"], "FILE=/no/such.yaml"),
        (["--workspace", "acme", "--file", "OVERRIDES"], "REASON"),
        (["--workspace", "acme", "--file", "BAD", "--reason", "x"], "workspace acme: thresholds.min_approvals"),
    ],
)
def test_a_policy_that_cannot_be_set_is_one_line(
    database: Database, overrides: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    bad = overrides.with_name("bad.yaml")
    bad.write_text("thresholds: {min_approvals: 0}")
    files = {"OVERRIDES": str(overrides), "BAD": str(bad)}
    assert command_line.main(["policy", *(files.get(part, part) for part in arguments)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert database.execute("SELECT 1 FROM registry.policy_overrides").fetchall() == []


def test_a_classification_is_taken_back_once(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    database.execute(
        "INSERT INTO registry.classification (target_type, target, classification, declared_by)"
        " VALUES ('pattern', '*', 'production', 'ada')"
    )
    arguments = ["unclassify", "--target-type", "pattern", "--target", "*"]
    assert command_line.main(arguments) == 0
    assert "taken back" in capsys.readouterr().out
    assert database.execute("SELECT 1 FROM registry.classification_in_force").fetchall() == []
    assert command_line.main(arguments) == 1
    assert command_line.main(["unclassify"]) == 1
    assert "usage: make unclassify" in capsys.readouterr().err


def test_a_roster_by_query_or_from_a_directory_is_one_job(tmp_path: Path) -> None:
    query = tmp_path / "roster.sql"
    query.touch()
    (job,) = roster_jobs("hr", str(query), "")
    assert (job.conf["kind"], job.conf["source"], job.conf["conn_id"], job.conf["query_file"]) == (
        "roster",
        "sql",
        "hr",
        str(query),
    )
    (job,) = roster_jobs("", "", "idp")
    assert (job.conf["source"], job.conf["conn_id"]) == ("scim", "idp")
    assert roster_jobs("", "", "") == []


@pytest.mark.parametrize(
    ("sql", "query", "scim"), [("hr", "", ""), ("", "q.sql", ""), ("hr", "/no/such.sql", ""), ("hr", "q.sql", "idp")]
)
def test_a_roster_that_lacks_something_is_answered_with_the_usage(sql: str, query: str, scim: str) -> None:
    with pytest.raises(Usage, match=r"ROSTER_SQL|QUERY"):
        roster_jobs(sql, query, scim)


def test_there_is_one_roster(tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.touch()
    with pytest.raises(Usage, match="one roster"):
        import_files({"roster": str(roster)}, "", roster_jobs("", "", "idp"))
