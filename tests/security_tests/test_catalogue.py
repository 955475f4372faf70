"""The catalogue as data: complete, mapped as agreed, and the same in the documentation."""

from __future__ import annotations

import re
from datetime import date

import pytest

from bitbucket_compliance.core.database import PACKAGE
from bitbucket_compliance.security_tests import BY_ID, CATALOGUE
from bitbucket_compliance.security_tests.model import SecurityTest
from bitbucket_compliance.security_tests.policies import load_policy
from bitbucket_compliance.security_tests.verdicts import Verdict
from tests.conftest import Database
from tests.documents.verdicts import TARGET, document
from tests.security_tests.builders import NOW

SUPPORTING = "supporting"
# What was agreed with the people who answer to auditors: by test and framework the controls that ask for just what the
# test sees, and those that ask for more.
AGREED: dict[str, dict[str, tuple[str, str]]] = {
    "repo_classified": {
        "SOC 2": ("", "CC6.1"),
        "ISO": ("A.5.12", "A.5.13"),
        "800-53": ("", "RA-2 CM-8"),
        "PCI": ("", "6.3.2"),
    },
    "user_mfa_enabled": {
        "SOC 2": ("", "CC6.1 CC6.6"),
        "ISO": ("", "A.8.5 A.5.17"),
        "CIS": ("", "1.3.5"),
        "OSPS": ("OSPS-AC-01", ""),
        "SSDF": ("", "PO.3.2 PS.1"),
        "800-53": ("IA-2(1) IA-2(2)", ""),
        "PCI": ("", "8.4.2"),
    },
    "status_checks_required": {
        "SOC 2": ("", "CC8.1"),
        "ISO": ("", "A.8.25 A.8.29 A.8.32"),
        "CIS": ("1.1.9", ""),
        "OSPS": ("OSPS-QA-03", ""),
        "SSDF": ("", "PO.4.1"),
        "800-53": ("", "CM-3 SA-11"),
        "PCI": ("", "6.5.1"),
    },
    "peer_review_required": {
        "SOC 2": ("", "CC8.1"),
        "ISO": ("", "A.5.3 A.8.28 A.8.32"),
        "CIS": ("", "1.1.3"),
        "OSPS": ("OSPS-QA-07", ""),
        "SSDF": ("", "PW.7"),
        "800-53": ("", "AC-5 CM-3 SA-11(4)"),
        "PCI": ("", "6.2.3.1"),
    },
    "branch_protection_enforced": {
        "SOC 2": ("", "CC6.1 CC8.1"),
        "ISO": ("", "A.8.4 A.8.32"),
        "CIS": ("1.1.15 1.1.16 1.1.17", ""),
        "OSPS": ("OSPS-AC-03", ""),
        "SSDF": ("", "PO.3.2 PS.1"),
        "800-53": ("", "CM-3 CM-5"),
        "PCI": ("", "6.5.1"),
    },
    "offboarded_access_removed": {
        "SOC 2": ("", "CC6.2 CC6.3"),
        "ISO": ("", "A.5.18 A.6.5 A.8.2"),
        "CIS": ("", "1.3.1"),
        "SSDF": ("", "PS.1"),
        "800-53": ("", "AC-2(3) PS-4"),
        "PCI": ("8.2.5", ""),
    },
    "pipelines_enabled": {
        "SOC 2": ("", "CC7.1 CC8.1"),
        "ISO": ("", "A.8.8 A.8.25"),
        "CIS": ("", "2.3.1"),
        "OSPS": ("", "OSPS-QA-06"),
        "SSDF": ("", "PW.8.2"),
        "800-53": ("", "RA-5 SA-11"),
        "PCI": ("", "6.3.1"),
    },
}
AGREED["workspace_mfa_enforced"] = AGREED["user_mfa_enabled"]

every_test = pytest.mark.parametrize("test", CATALOGUE, ids=lambda test: test.test_id)


@every_test
def test_each_test_is_mapped_to_the_controls_agreed(test: SecurityTest) -> None:
    families = ("SOC 2", "ISO", "CIS", "OSPS", "SSDF", "800-53", "PCI")
    mapped: dict[str, tuple[set[str], set[str]]] = {}
    for control in test.controls:
        family = next(name for name in families if name in control.framework.name)
        mapped.setdefault(family, (set(), set()))[control.strength == SUPPORTING].add(control.control)
        assert control.framework.source and control.title
        assert bool(control.note) == (control.strength == SUPPORTING), "a supporting one says what it asks for beside"
    wanted = AGREED[test.test_id].items()
    assert mapped == {family: (set(just.split()), set(more.split())) for family, (just, more) in wanted}


@every_test
def test_every_reason_that_leaves_something_to_do_says_what(test: SecurityTest) -> None:
    for code, reason in test.reasons.items():
        assert reason.meaning.endswith("."), code
        assert bool(reason.remediation) == (reason.status in ("failing", "pending", "error")), code
        assert not reason.api_calls or reason.status == "failing", code


@every_test
def test_every_reason_code_of_the_catalogue_is_one_that_the_verdict_can_give(test: SecurityTest) -> None:
    text = test.path.read_text(encoding="utf-8") + (test.path.parents[1] / "matching.py").read_text(encoding="utf-8")
    if test.merge_rule:
        text += (PACKAGE / "database/functions/judging/rule_code.sql").read_text(encoding="utf-8")
    for code in test.reasons:
        assert re.search(rf"['\"]{code}['\"]", text) or code in ("scope_missing", "permission_missing"), code


@every_test
def test_a_folder_holds_the_test_and_its_verdict_alone(test: SecurityTest) -> None:
    assert {path.name for path in test.path.parent.iterdir() if path.is_file()} == {"__init__.py", test.verdict}


@pytest.mark.parametrize("test", [test for test in CATALOGUE if test.verdict == "verdict.sql"], ids=lambda t: t.test_id)
def test_a_verdict_in_sql_is_one_query_of_the_columns_of_a_verdict(test: SecurityTest, database: Database) -> None:
    text = test.path.read_text(encoding="utf-8")
    assert not re.search(r"\b(INSERT|UPDATE|DELETE|judged)\b", text)
    thresholds = load_policy().thresholds.model_dump()
    run = {"workspace": "acme", "subjects": None, "today": date(2026, 3, 31)}
    instants = {"as_of": NOW, "oldest_reading": NOW, "window_start": NOW, "oldest_merge_checks": NOW}
    rules = {"rule_kinds": ["x"], "check_kinds": "x", "reviewers_kinds": ["x"]}
    cursor = database.execute(text.encode(), {**thresholds, **run, **instants, **rules})
    assert [column.name for column in cursor.description or ()] == list(Verdict._fields)


@every_test
def test_the_thresholds_a_test_names_are_the_policys(test: SecurityTest) -> None:
    known = set(type(load_policy().thresholds).model_fields)
    assert {threshold.name for threshold in test.own_thresholds} <= set(test.thresholds) <= known
    text = test.path.read_text(encoding="utf-8")
    used = {
        name
        for name in known
        if f"%({name})s" in text or f"thresholds.{name}" in text or f'thresholds["{name}"]' in text
    }
    assert used <= {*test.thresholds, "time_zone", "max_data_age_hours"}


def test_the_documentation_says_what_the_catalogue_says() -> None:
    assert TARGET.read_text(encoding="utf-8") == document(), "run make docs"


def test_the_documentation_explains_every_reason_code_of_every_test() -> None:
    text = document()
    for test in BY_ID.values():
        section = text.split(f"## {test.order}. ", 1)[1].split("\n## ", 1)[0]
        assert all(f"| `{code}` | {reason.status} |" in section for code, reason in test.reasons.items())


def test_what_mends_a_verdict_is_no_command_of_a_shell() -> None:
    """Who reads it in the console has no shell there; a page or a DAG does it."""
    told = [
        text
        for test in CATALOGUE
        for reason in test.reasons.values()
        for text in (reason.remediation, reason.meaning)
        if text
    ]
    assert len(told) > 50
    assert [text for text in told if re.search(r"`?\bmake [a-z-]+( [A-Z_]+=|`)|python -m", text)] == []
