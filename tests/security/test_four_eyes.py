"""Nobody decides alone: not by another spelling, another door, another login, a policy of a minute, or SQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from bitbucket_compliance import __main__ as command_line
from bitbucket_compliance.core.errors import EvidenceRefused, ExceptionRefused, PersonUnclear, PolicyRefused
from bitbucket_compliance.core.persons import (
    AIRFLOW,
    OPERATING_SYSTEM,
    of_operating_system,
    person,
    shown,
    why_not_another,
)
from bitbucket_compliance.policy.overrides import keep_version
from bitbucket_compliance.registry import exceptions, persons
from bitbucket_compliance.registry.evidence import decide, submit
from bitbucket_compliance.registry.imports import import_file
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.policies import DELIVERED, keys, policy_of, set_override
from bitbucket_compliance.security_tests.policies import decide as decide_policy
from tests.conftest import Database
from tests.console.conftest import OpenConsole
from tests.console.world import WORKSPACE, Published
from tests.registry.files import export, picture

EXPORT = export("ada@example.com,,enabled")


@pytest.fixture
def world(database: Database) -> Published:
    found = Published(database)
    found.repository("pay")
    return found


@pytest.mark.parametrize(
    ("who", "read_as"),
    [
        ("airflow:anna", "anna"),
        ("os:root", "root (command line)"),
        # which would be read as the one above
        ("airflow:root (command line)", "airflow:root (command line)"),
        ("team payments", "team payments"),
    ],
)
def test_no_two_persons_are_read_as_one(who: str, read_as: str) -> None:
    assert shown(who) == read_as


def handed_in(database: Database, by: str) -> str:
    return submit(
        database,
        ("shot.png", picture()),
        test_id="branch_protection_enforced",
        workspace=WORKSPACE,
        captured_on=datetime.now(UTC).date(),
        submitted_by=by,
    ).evidence_id


def asked(database: Database, owner: str, by: str) -> str:
    request = exceptions.ExceptionRequest(
        "branch_protection_enforced", WORKSPACE, owner, "it moves", datetime.now(UTC) + timedelta(days=9), subject="pay"
    )
    return exceptions.request(database, request, requested_by=by).exception_id


# ---------------------------------------------------------------------------------------------- one person, one name


@pytest.mark.parametrize(
    "login",
    ["Reviewer", " reviewer ", "ｒeviewer", "re\u200bviewer", "reviewer\u2060", "\ufeffreviewer", "revi\u00adewer"],
)
def test_another_spelling_is_no_other_person(login: str) -> None:
    assert person(AIRFLOW, login) == "airflow:reviewer"


@pytest.mark.parametrize(
    "login", ["", " ", "\u200b", "r\u0435viewer", "reviewer\u0301\u0301", "\u3164", "a\U0001f600", "x" * 201]
)
def test_a_login_that_could_be_taken_for_another_one_acts_not_at_all(login: str) -> None:
    with pytest.raises(PersonUnclear) as refused:
        person(AIRFLOW, login)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "reviewer",
        "airflow:Reviewer",
        "airflow:ｒeviewer",
        "airflow:re\u200bviewer",
        "airflow: x",
        "ldap:x",
        "os:",
        "os:a\nb",
    ],
)
def test_the_database_takes_persons_in_the_form_that_is_compared_alone(database: Database, name: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        database.execute("INSERT INTO registry.persons (person) VALUES (%s)", (name,))


def test_one_human_at_two_doors_is_one_person_where_the_logins_are_mapped() -> None:
    mapped = {"COMPLIANCE_LOGINS": "root=Owner, bea=bea"}
    assert of_operating_system("root", mapped) == person(AIRFLOW, "owner")
    assert of_operating_system("carl", mapped) == person(OPERATING_SYSTEM, "carl")
    with pytest.raises(PersonUnclear, match="COMPLIANCE_LOGINS"):
        of_operating_system("root", {"COMPLIANCE_LOGINS": "root"})


def test_who_signed_in_elsewhere_counts_as_nobody_else_unless_mapped(database: Database, world: Published) -> None:
    told = why_not_another("os:root", ["airflow:owner"])
    assert told and "COMPLIANCE_LOGINS" in told
    for submitter, decider in (("airflow:owner", "os:root"), ("os:root", "airflow:owner")):
        evidence_id = handed_in(database, submitter)
        for decision in ("accept", "reject"):
            with pytest.raises(EvidenceRefused, match="could be the same person: set COMPLIANCE_LOGINS"):
                decide(database, evidence_id, decision, decided_by=decider, reason="r")
        decide(database, evidence_id, "withdraw", decided_by=decider, reason="r")


# --------------------------------------------------------------------------------------------------- who acted


def test_an_export_that_a_dag_imports_waits_for_somebody_else(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "mfa.csv"
    path.write_bytes(EXPORT)
    taken = import_file(database, "mfa", path, imported_by="airflow:owner")
    assert "it decides nothing before somebody else accepts it" in str(taken)
    row = database.execute("SELECT evidence_id::text AS id, status FROM compliance.evidence").fetchone()
    assert row and row["status"] == "submitted"
    with pytest.raises(EvidenceRefused, match="somebody else has to decide"):
        decide(database, row["id"], "accept", decided_by="airflow:owner")
    decide(database, row["id"], "accept", decided_by="airflow:reviewer")


def test_an_export_that_its_operator_vouches_for_is_shown_so_and_audited(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "mfa.csv"
    path.write_bytes(EXPORT)
    import_file(database, "mfa", path, imported_by="os:root", is_vouched_for=True)
    row = database.execute(
        "SELECT status, self_accepted, submitted_by, accepted_by FROM compliance.evidence"
    ).fetchone()
    assert row == {"status": "accepted", "self_accepted": True, "submitted_by": "os:root", "accepted_by": "os:root"}
    trail = database.execute("SELECT actor, action FROM integration.console_audit ORDER BY audit_id").fetchall()
    assert [tuple(one.values()) for one in trail] == [
        ("os:root", "evidence.submitted"),
        ("os:root", "evidence.accepted"),
    ]


def test_where_the_policy_requires_a_review_an_operator_s_export_waits_for_somebody_else(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, path = tmp_path / "policy.yaml", tmp_path / "mfa.csv"
    policy.write_text("evidence: {review: required}\n")
    path.write_bytes(EXPORT)
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(policy))
    taken = import_file(database, "mfa", path, imported_by="os:root", is_vouched_for=True)
    assert "it decides nothing before somebody else accepts it" in str(taken)
    row = database.execute("SELECT evidence_id::text AS id, status FROM compliance.evidence").fetchone()
    assert row and row["status"] == "submitted"
    with pytest.raises(EvidenceRefused, match="somebody else has to decide"):
        decide(database, row["id"], "accept", decided_by="os:root")
    decide(database, row["id"], "accept", decided_by="os:ada")
    row = database.execute("SELECT self_accepted, accepted_by FROM compliance.evidence").fetchone()
    assert row == {"self_accepted": False, "accepted_by": "os:ada"}


def test_every_way_in_leaves_a_line_in_the_trail(database: Database, world: Published) -> None:
    decide(database, handed_in(database, "os:ada"), "accept", decided_by="os:bo")
    exceptions.decide(database, asked(database, "os:ada", "os:ada"), "accept", decided_by="os:bo")
    proposal = set_override(database, WORKSPACE, {"thresholds": {"evidence_validity_days": 365}}, set_by="os:ada")
    assert proposal
    decide_policy(database, proposal.override_id, "accept", decided_by="os:bo")
    set_override(database, WORKSPACE, {}, set_by="os:bo")
    assert world.audited() == [
        ("os:ada", "evidence.submitted"),
        ("os:bo", "evidence.accepted"),
        ("os:ada", "exception.requested"),
        ("os:bo", "exception.accepted"),
        ("os:ada", "policy.proposed"),
        ("os:bo", "policy.accepted"),
        ("os:bo", "policy.set"),
    ]


# ------------------------------------------------------------------------------------------------ owners of a risk


@pytest.mark.parametrize("owner", ["ｒeviewer", "re\u200bviewer", " REVIEWER "])
def test_a_risk_of_ones_own_under_another_spelling_cant_be_accepted(
    database: Database, world: Published, owner: str
) -> None:
    persons.note(database, "airflow:reviewer")
    exception_id = asked(database, owner, "airflow:owner")
    with pytest.raises(ExceptionRefused, match="is owned by airflow:reviewer"):
        exceptions.decide(database, exception_id, "accept", decided_by="airflow:reviewer")


@pytest.mark.parametrize("owner", ["r\u0435viewer", "somebody made up", "airflow:nobody", "\u200b"])
def test_nobody_owns_a_risk_whom_nobody_knows(database: Database, world: Published, owner: str) -> None:
    persons.note(database, "airflow:reviewer")
    with pytest.raises(ExceptionRefused, match="the owner of the risk: "):
        asked(database, owner, "airflow:owner")
    assert world.rows("SELECT 1 FROM registry.exceptions") == []


def test_whoever_signed_in_to_the_console_is_known(open_console: OpenConsole, world: Published) -> None:
    open_console("viewer", "Olga").get("/exceptions")
    assert persons.known(world.database) == ["airflow:olga"]


# --------------------------------------------------------------------------------- a policy that asks for less


def test_one_person_alone_cant_allow_self_review_even_for_a_minute(
    database: Database,
    world: Published,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    evidence_id = handed_in(database, "os:ada")
    for module in ("policy", "review", "evidence"):
        monkeypatch.setattr(f"bitbucket_compliance.commands.{module}.operator", lambda: "os:ada")
    overrides = tmp_path / "overrides.yaml"
    overrides.write_text("thresholds: {allow_self_review: true}")
    flags = ["--workspace", WORKSPACE, "--file", str(overrides), "--reason", "quick"]
    assert command_line.main(["policy", *flags]) == 0
    assert "changes nothing before somebody else decides" in capsys.readouterr().out
    (proposed,) = world.rows("SELECT override_id FROM registry.policy_states WHERE status = 'proposed'")
    for review in ([f"--policy={proposed['override_id']}"], [f"--evidence={evidence_id}"]):
        assert command_line.main(["review", *review, "--decision=accept"]) == 1
        assert "somebody else has to decide" in capsys.readouterr().err
    assert not policy_of(database, WORKSPACE).thresholds.allow_self_review
    assert world.rows("SELECT 1 FROM registry.evidence_decisions") == []


def test_the_console_lets_another_person_decide_on_a_policy_and_nobody_on_their_own(
    open_console: OpenConsole, world: Published
) -> None:
    changes = {"thresholds": {"evidence_validity_days": 365}}
    proposal = set_override(world.database, WORKSPACE, changes, set_by="airflow:owner", reason="<b>why</b>")
    assert proposal
    path, form = f"/policies/{proposal.override_id}/decision", {"decision": "accept"}
    shown = open_console("viewer").get("/policies").text
    assert "thresholds.evidence_validity_days" in shown and "<b>why" not in shown and '<form method="post"' not in shown
    assert open_console("viewer").post(path).status_code == 403
    refused = open_console("op", "Owner").submit(path, form, on="/policies")
    assert refused.status_code == 409 and "somebody else has to decide" in refused.text
    assert open_console("op", "reviewer").submit(path, form, on="/policies").status_code == 303
    assert policy_of(world.database, WORKSPACE).thresholds.evidence_validity_days == 365
    assert ", accepted by reviewer" in open_console("viewer").get("/policies").text


def test_what_was_decided_under_a_looser_policy_names_that_policy_for_good(
    database: Database, world: Published
) -> None:
    evidence_id = handed_in(database, "os:ada")
    proposal = set_override(database, WORKSPACE, {"thresholds": {"allow_self_review": True}}, set_by="os:ada")
    assert proposal
    decide_policy(database, proposal.override_id, "accept", decided_by="os:bo")
    decide(database, evidence_id, "accept", decided_by="os:ada")
    assert set_override(database, WORKSPACE, {}, set_by="os:ada") is None, "what asks for more holds at once"
    (row,) = world.rows(
        "SELECT decisions.self_review, policies.body #>> '{thresholds,allow_self_review}' AS allowed"
        " FROM registry.evidence_decisions AS decisions"
        " INNER JOIN registry.policy_versions AS policies ON decisions.policy_version = policies.policy_version"
    )
    assert row == {"self_review": True, "allowed": "true"}
    assert world.rows("SELECT self_accepted FROM compliance.evidence") == [{"self_accepted": True}]


LOWERS = [
    {"thresholds": {"allow_self_review": True}},
    {"thresholds": {"evidence_validity_days": 91}},
    {"thresholds": {"offboarding_grace_days": 1}},
    {"thresholds": {"roster_max_age_days": 8}},
    {"thresholds": {"behaviour_window_days": 30}},
    {"thresholds": {"due_days_critical": 8}},
    {"thresholds": {"max_error_share": 0.95}},
    {"thresholds": {"max_data_age_hours": 100}},
    {"thresholds": {"required_protections": ["push"]}},
    {"thresholds": {"time_zone": "Pacific/Auckland"}},
    {"tests": {"repo_classified": {"enabled": False}}},
    {"tests": {"repo_classified": {"severity": "high"}}},
]
RAISES = [
    {"thresholds": {"min_approvals": 2}},
    {"thresholds": {"evidence_validity_days": 30}},
    {"thresholds": {"required_protections": ["push", "force", "delete", "enforce_merge_checks"]}},
    {"tests": {"pipelines_enabled": {"enabled": True, "severity": "critical"}}},
]


@pytest.mark.parametrize("changes", LOWERS, ids=str)
def test_what_lowers_the_guard_waits_for_somebody_else(database: Database, changes: dict[str, object]) -> None:
    before = policy_of(database, WORKSPACE)
    proposal = set_override(database, WORKSPACE, changes, set_by="os:ada")
    assert proposal and len(proposal.lowers) == 1
    assert policy_of(database, WORKSPACE) == before
    with pytest.raises(PolicyRefused, match="somebody else has to decide"):
        decide_policy(database, proposal.override_id, "accept", decided_by="os:ada")
    with pytest.raises(PolicyRefused, match="COMPLIANCE_LOGINS"):
        decide_policy(database, proposal.override_id, "accept", decided_by="airflow:ada")
    decide_policy(database, proposal.override_id, "accept", decided_by="os:bo")
    assert policy_of(database, WORKSPACE) != before


@pytest.mark.parametrize("changes", RAISES, ids=str)
def test_what_raises_the_guard_holds_at_once_and_taking_it_back_waits(
    database: Database, changes: dict[str, object]
) -> None:
    assert set_override(database, WORKSPACE, changes, set_by="os:ada") is None
    assert policy_of(database, WORKSPACE) != DELIVERED
    back = set_override(database, WORKSPACE, {}, set_by="os:ada")
    assert back and policy_of(database, WORKSPACE) != DELIVERED


def test_a_proposal_that_another_policy_came_before_cant_be_accepted(database: Database) -> None:
    old = set_override(database, WORKSPACE, {"thresholds": {"evidence_validity_days": 365}}, set_by="os:ada")
    assert old
    set_override(database, WORKSPACE, {"thresholds": {"min_approvals": 2}}, set_by="os:bo")
    with pytest.raises(PolicyRefused, match="propose it again"):
        decide_policy(database, old.override_id, "accept", decided_by="os:bo")


def test_every_key_of_the_policy_says_when_it_asks_for_less() -> None:
    from bitbucket_compliance.policy.model import Weaker

    fields = type(DELIVERED.thresholds).model_fields
    silent = {name for name, field in fields.items() if not any(isinstance(mark, Weaker) for mark in field.metadata)}
    # Either way may ask for less: any change waits.
    assert silent == {"behaviour_window_days", "time_zone"}
    assert {key.name for key in keys()} >= {f"tests.{test.test_id}.severity" for test in CATALOGUE}


# ------------------------------------------------------------------------------------------------- the database


@pytest.mark.parametrize("role", ["compliance_pipeline", "compliance_console"])
@pytest.mark.parametrize("decider", ["airflow:owner", "os:root"])
@pytest.mark.parametrize("claims_leave", [False, True])
def test_the_database_refuses_a_decision_of_one_person(
    database: Database, world: Published, role: str, decider: str, claims_leave: bool
) -> None:
    evidence_id = handed_in(database, "airflow:owner")
    exception_id = asked(database, "airflow:owner", "airflow:owner")
    proposal = set_override(database, WORKSPACE, {"thresholds": {"max_error_share": 1}}, set_by="airflow:owner")
    assert proposal
    keep_version(database, DELIVERED)
    database.execute(f"SET ROLE {role}")  # type: ignore[arg-type]
    for table, key in (
        ("evidence_decisions", {"evidence_id": evidence_id}),
        ("exception_decisions", {"exception_id": exception_id}),
        ("policy_decisions", {"override_id": proposal.override_id}),
    ):
        (column,) = key
        for decision in ("accepted", "rejected"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"another person|allows nobody"):
                database.execute(
                    f"INSERT INTO registry.{table} ({column}, decision, decided_by, policy_version, self_review)"  # type: ignore[arg-type]  # noqa: S608
                    " SELECT %s, %s, %s, min(policy_version), %s FROM registry.policy_versions",
                    (key[column], decision, decider, claims_leave),
                )


def test_the_database_refuses_it_in_one_statement_too(database: Database) -> None:
    database.execute("INSERT INTO registry.policy_versions (policy_version, body) VALUES ('p', '{}')")
    database.execute("SET ROLE compliance_pipeline")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="another person"):
        database.execute(
            "WITH handed AS (INSERT INTO registry.evidence (test_id, scope, kind, captured_on, submitted_by, file_name,"
            " file_sha256) VALUES ('t', 'workspace', 'screenshot', now(), 'os:ada', 'f', 'f') RETURNING evidence_id)"
            " INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by, policy_version)"
            " SELECT evidence_id, 'accepted', 'os:ada', 'p' FROM handed"
        )
