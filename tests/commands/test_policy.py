"""`policy` and `unclassify`."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitbucket_compliance import __main__ as command_line
from bitbucket_compliance.security_tests.policies import keys
from tests.conftest import Database


@pytest.fixture
def overrides(tmp_path: Path) -> Path:
    path = tmp_path / "overrides.yaml"
    path.write_text("thresholds: {min_approvals: 2}\n")
    return path


def test_a_policy_is_set_shown_and_taken_back_by_two_persons(
    database: Database, overrides: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
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
    assert "it asks for less in thresholds.min_approvals and changes nothing before somebody else decides" in said
    number = said.split("proposed: policy ")[1].split()[0]
    assert command_line.main(["review", "--policy", number, "--decision", "accept"]) == 1
    assert "somebody else has to decide" in capsys.readouterr().err
    monkeypatch.setattr("bitbucket_compliance.commands.review.operator", lambda: "os:another")
    assert command_line.main(["review", "--policy", number, "--decision", "accept"]) == 0
    assert command_line.main(["policy", "--workspace", "acme"]) == 0
    said = capsys.readouterr().out
    assert "accepted by os:another" in said
    assert all(f"  {key.name}: " in said and f"  # {key.meaning}" in said for key in keys())
    assert "delivered:" not in said
    assert len(database.execute("SELECT 1 FROM registry.policy_overrides").fetchall()) == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--workspace; usage: python -m bitbucket_compliance policy --workspace=slug"),
        (["--workspace", "a b"], "--workspace='a b': is no workspace slug or uuid"),
        (
            ["--workspace", "acme", "--file", "/no/such.yaml", "--reason", "x"],
            "--file=/no/such.yaml: there is no such file",
        ),
        (["--workspace", "acme", "--file", "OVERRIDES"], "--reason is missing"),
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
    assert "usage: python -m bitbucket_compliance unclassify --target-type=" in capsys.readouterr().err
