"""The life of evidence: who may decide, what accepting freezes, what decides nothing any more."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from bitbucket_compliance import __main__ as command_line
from bitbucket_compliance.core.errors import EvidenceRefused, PersonUnclear
from bitbucket_compliance.registry.evidence import decide, submit
from bitbucket_compliance.security_tests import CATALOGUE
from tests.registry.files import export, picture, pixels
from tests.registry.world import ADA, BO, WORKSPACE, Registry, days_ago, identity, today

MFA = "user_mfa_enabled"
NOWHERE = "00000000-0000-4000-8000-000000000000"


def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **thresholds: Any) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(f"thresholds: {thresholds}".replace("True", "true"), encoding="utf-8")
    monkeypatch.setenv("COMPLIANCE_POLICY_FILE", str(path))


# --------------------------------------------------------------------------- submit


@pytest.mark.parametrize("test_id", [test.test_id for test in CATALOGUE])
def test_evidence_may_be_handed_in_and_accepted_for_every_test(registry: Registry, test_id: str) -> None:
    registry.workspace().repository("payments").member("Ada")
    evidence_id = registry.submit(test_id, note=" the settings page ")
    row = registry.row("SELECT * FROM compliance.evidence")
    assert (row["status"], row["workspace"], row["scope"], row["kind"]) == (
        "submitted",
        "acme",
        "workspace",
        "screenshot",
    )
    assert (row["captured_on"], row["submitted_by"], row["note"]) == (today(), ADA, "the settings page")
    assert registry.decide(evidence_id).subjects == 1
    assert registry.status(evidence_id) == "accepted"


@pytest.mark.parametrize("test", CATALOGUE, ids=lambda test: test.test_id)
def test_whoever_hands_in_what_decides_nothing_is_told(registry: Registry, test: Any) -> None:
    submission = submit(
        registry.database,
        ("shot.png", picture()),
        test_id=test.test_id,
        workspace=WORKSPACE,
        captured_on=today(),
        submitted_by=ADA,
    )
    decides_nothing = test.test_id in ("repo_classified", "offboarded_access_removed")
    assert any("decides nothing" in line for line in submission.lines) is decides_nothing


def test_targets_are_kept_in_lower_case_once_with_uuids_in_braces(registry: Registry) -> None:
    uuid = identity("x")[1:-1]
    registry.submit(scope="repository", targets=[" Payments", "payments", uuid.upper(), "", identity("y").upper()])
    row = registry.row("SELECT targets FROM registry.evidence")
    assert row["targets"] == ["payments", f"{{{uuid}}}", identity("y")]


def test_the_very_same_evidence_is_not_taken_twice(registry: Registry) -> None:
    first = registry.submit()
    with pytest.raises(EvidenceRefused, match=f"submitted already as {first}"):
        registry.submit(file=("renamed.png", picture()))
    registry.decide(first, "reject", reason="blurred")
    registry.submit()


def test_the_same_file_for_another_day_is_told_to_who_hands_it_in(registry: Registry) -> None:
    first = registry.submit(captured_on=today() - timedelta(days=30))
    submission = submit(
        registry.database,
        ("shot.png", picture()),
        test_id="branch_protection_enforced",
        workspace=WORKSPACE,
        captured_on=today(),
        submitted_by=ADA,
    )
    assert [first in line and str(today() - timedelta(days=30)) in line for line in submission.lines] == [True]


def test_the_day_of_capture_is_a_day_of_the_policys_time_zone(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Somewhere it is always another day than in UTC: before noon there, after ten here.
    zone = "Pacific/Kiritimati" if datetime.now(UTC).hour >= 10 else "Etc/GMT+12"
    there = datetime.now(ZoneInfo(zone)).date()
    policy(tmp_path, monkeypatch, time_zone=zone)
    with pytest.raises(EvidenceRefused, match=f"today is {there}"):
        registry.submit(captured_on=there + timedelta(days=1))
    registry.submit(captured_on=there)


# --------------------------------------------------------------------------- decide


def test_nobody_decides_on_what_they_handed_in(registry: Registry) -> None:
    registry.repository("payments")
    evidence_id = registry.submit()
    for decision in ("accept", "reject"):
        with pytest.raises(EvidenceRefused, match="somebody else has to decide"):
            registry.decide(evidence_id, decision, by=ADA, reason="r")
    assert registry.status(evidence_id) == "submitted"


def test_the_policy_may_let_one_person_do_both(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy(tmp_path, monkeypatch, allow_self_review=True)
    registry.repository("payments")
    evidence_id = registry.submit()
    registry.decide(evidence_id, by=ADA)
    assert registry.status(evidence_id) == "accepted"


def test_the_policy_of_one_workspace_lets_one_person_do_both_only_there(registry: Registry) -> None:
    registry.repository("payments")
    registry.database.execute(
        "INSERT INTO registry.policy_overrides (workspace, body, set_by) VALUES (%s, %s, 'os:x')",
        (WORKSPACE, Jsonb({"thresholds": {"allow_self_review": True}})),
    )
    registry.decide(registry.submit(), by=ADA)
    elsewhere = registry.submit(workspace="elsewhere")
    with pytest.raises(EvidenceRefused, match="somebody else"):
        registry.decide(elsewhere, by=ADA)


@pytest.mark.parametrize("decision", ["reject", "withdraw"])
@pytest.mark.parametrize("reason", [None, "", "  "])
def test_rejecting_and_withdrawing_need_a_reason(registry: Registry, decision: str, reason: str | None) -> None:
    evidence_id = registry.submit()
    with pytest.raises(EvidenceRefused, match="a reason is missing"):
        registry.decide(evidence_id, decision, reason=reason)
    assert registry.status(evidence_id) == "submitted"


@pytest.mark.parametrize("path", [
    ["accept", "accept"], ["accept", "reject"], ["reject", "accept"], ["reject", "reject"], ["withdraw", "accept"],
    ["withdraw", "reject"], ["withdraw", "withdraw"], ["accept", "withdraw", "withdraw"], ["reject", "withdraw"],
    ["accept", "withdraw", "accept"],
])  # fmt: skip
def test_what_is_decided_stays(registry: Registry, path: list[str]) -> None:
    registry.repository("payments")
    evidence_id = registry.submit()
    *done, too_late = path
    for decision in done:
        registry.decide(evidence_id, decision, reason="first")
    before = registry.rows("SELECT * FROM registry.evidence_decisions ORDER BY decision_id")
    with pytest.raises(EvidenceRefused, match="already, by airflow:bo at"):
        registry.decide(evidence_id, too_late, by="airflow:cy", reason="second")
    assert registry.rows("SELECT * FROM registry.evidence_decisions ORDER BY decision_id") == before


@pytest.mark.parametrize("by", [ADA, BO, "airflow:cy"])
@pytest.mark.parametrize("decided_before", [True, False])
def test_anybody_may_withdraw_with_a_reason(registry: Registry, by: str, decided_before: bool) -> None:
    registry.repository("payments")
    evidence_id = registry.submit()
    if decided_before:
        registry.decide(evidence_id)
    registry.decide(evidence_id, "withdraw", by=by, reason="shows another workspace")
    row = registry.row("SELECT * FROM compliance.evidence")
    assert (row["status"], row["withdrawn_by"], row["decision_reason"]) == ("withdrawn", by, "shows another workspace")
    assert row["withdrawn_at"] is not None and row["rejected_by"] is None
    assert (row["accepted_by"], row["accepted_at"] is not None) == ((BO, True) if decided_before else (None, False))


@pytest.mark.parametrize("evidence_id", ["7", "", "'; DROP TABLE x", NOWHERE])
def test_an_unknown_id_is_told(registry: Registry, evidence_id: str) -> None:
    with pytest.raises(EvidenceRefused, match="the list of evidence shows") as refused:
        registry.decide(evidence_id)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("decision", "by", "words"), [("approve", BO, "accept, reject or withdraw"), ("accept", "", "names no person")]
)
def test_an_unknown_decision_or_person_is_told(registry: Registry, decision: str, by: str, words: str) -> None:
    evidence_id = registry.submit()
    with pytest.raises((EvidenceRefused, PersonUnclear), match=words):
        registry.decide(evidence_id, decision, by=by)


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(registry: Registry) -> None:
    registry.repository("payments")
    evidence_id = registry.submit()
    told: list[str] = []
    ready = threading.Barrier(4)

    def try_it(person: str, decision: str) -> None:
        with psycopg.connect(registry.dsn, row_factory=dict_row) as connection:
            ready.wait()
            try:
                told.append(decide(connection, evidence_id, decision, decided_by=person, reason="r").status)
            except EvidenceRefused as refused:
                told.append(str(refused))

    people = [
        threading.Thread(target=try_it, args=(f"airflow:p{n}", decision))
        for n, decision in enumerate(["accept", "reject"] * 2)
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()
    (won,) = [line for line in told if line in ("accepted", "rejected")]
    assert sum("already, by airflow:p" in line for line in told) == 3
    assert registry.status(evidence_id) == won
    assert len(registry.covered(evidence_id)) == (1 if won == "accepted" else 0)


def test_the_database_itself_takes_one_decision(registry: Registry) -> None:
    registry.repository("payments")
    evidence_id = registry.accepted()
    with pytest.raises(psycopg.errors.UniqueViolation):
        registry.database.execute(
            "INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by, policy_version)"
            " SELECT %s, 'rejected', 'airflow:x', min(policy_version) FROM registry.policy_versions",
            (evidence_id,),
        )
    registry.database.rollback()


@pytest.mark.parametrize("role", ["compliance_pipeline", "compliance_console"])
def test_the_roles_of_pipeline_and_console_may_do_all_of_it_and_change_nothing(registry: Registry, role: str) -> None:
    registry.repository("payments").member("Ada", "id-a")
    with psycopg.connect(registry.dsn, row_factory=dict_row) as connection:
        connection.execute(f"SET ROLE {role}")  # type: ignore[arg-type]
        connection.commit()
        for test_id, file in (("peer_review_required", "shot.png"), (MFA, "export.csv"), (MFA, "shot.png")):
            content = export("a@x.io,id-a,on", ",id-z,on") if file == "export.csv" else picture()
            handed_in = submit(
                connection, (file, content), test_id=test_id, workspace="acme", captured_on=today(), submitted_by=ADA
            )
            assert decide(connection, handed_in.evidence_id, "accept", decided_by=BO).status == "accepted"
        for table in ("evidence", "evidence_decisions", "evidence_subjects", "evidence_members"):
            for change in ("DELETE FROM registry.{}", "UPDATE registry.{} SET evidence_id = evidence_id"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                    connection.execute(change.format(table))  # type: ignore[arg-type]


# --------------------------------------------------------------------------- freeze


def test_accepting_freezes_the_repositories_that_existed_on_the_day_of_capture(registry: Registry) -> None:
    captured = today() - timedelta(days=10)
    last_moment = datetime.combine(captured, datetime.max.time(), UTC)
    registry.repository("old", created_on=days_ago(400)).repository("that-day", created_on=last_moment)
    registry.repository("next-day", created_on=last_moment + timedelta(microseconds=1)).repository("unknown")
    evidence_id = registry.accepted(captured_on=captured)
    assert registry.covered(evidence_id) == ["old", "that-day", "unknown"]
    registry.repository("younger", created_on=days_ago(300))
    assert registry.covered(evidence_id) == ["old", "that-day", "unknown"]


def test_the_day_of_capture_ends_in_the_policys_time_zone(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy(tmp_path, monkeypatch, time_zone="Pacific/Auckland")
    captured = today() - timedelta(days=10)
    midnight = datetime.combine(captured + timedelta(days=1), datetime.min.time(), ZoneInfo("Pacific/Auckland"))
    registry.repository("before", created_on=midnight - timedelta(seconds=1)).repository("after", created_on=midnight)
    assert registry.covered(registry.accepted(captured_on=captured)) == ["before"]


@pytest.mark.parametrize(("scope", "targets", "covered"), [
    ("workspace", [], ["a", "b", "c"]), ("project", ["Core"], ["a", "b"]),
    ("project", ["core", "LABS"], ["a", "b", "c"]), ("repository", ["A"], ["a"]),
    ("repository", [identity("c"), "b"], ["b", "c"]),
])  # fmt: skip
def test_the_scope_says_which_repositories(
    registry: Registry, scope: str, targets: list[str], covered: list[str]
) -> None:
    registry.repository("a").repository("b").repository("c", project="LABS")
    assert registry.covered(registry.accepted(scope=scope, targets=targets)) == covered


def test_what_is_named_and_not_found_is_told(registry: Registry) -> None:
    registry.repository("a").member("Ada", "id-a", email="ada@example.com")
    decided = registry.decide(registry.submit(scope="repository", targets=["a", "typo", "b"]))
    assert [line.split(": ")[:2] for line in decided.lines] == [["unmatched", "typo"], ["unmatched", "b"]]
    assert not registry.decide(registry.submit(scope="project", targets=["core"])).lines
    people = registry.submit(MFA, "members", ["ada@example.com", "ID-A", "bo@example.com"])
    assert [line.split(": ")[1] for line in registry.decide(people).lines] == ["bo@example.com"]


@pytest.mark.parametrize(("scope", "targets", "covered"), [
    ("workspace", [], ["Ada", "Bo", "Cy"]), ("members", ["id-a", "BO@example.com "], ["Ada", "Bo"]),
])  # fmt: skip
@pytest.mark.parametrize("test_id", [MFA, "offboarded_access_removed"])
def test_the_scope_says_which_members(
    registry: Registry, test_id: str, scope: str, targets: list[str], covered: list[str]
) -> None:
    registry.member("Ada", "ID-A").member("Bo", "id-b", email="bo@example.com").member("Cy").member(
        "bot", kind="app_user"
    )
    assert registry.covered(registry.accepted(test_id, scope, targets)) == covered


def test_who_was_first_seen_after_the_capture_joined_later(registry: Registry) -> None:
    registry.member("Ada").member("joined later").member("never judged")
    registry.first_seen("Ada", days_ago(30)).first_seen("joined later", days_ago(3))
    captured = today() - timedelta(days=10)
    assert registry.covered(registry.accepted(MFA, captured_on=captured)) == ["Ada", "never judged"]
    # Where the first look was later than the capture, nobody can tell who had been there before.
    captured = today() - timedelta(days=40)
    assert registry.covered(registry.accepted(MFA, captured_on=captured)) == ["Ada", "joined later", "never judged"]


def test_the_workspace_is_its_own_subject(registry: Registry) -> None:
    registry.workspace()
    evidence_id = registry.accepted("workspace_mfa_enforced")
    row = registry.row("SELECT * FROM registry.evidence_subjects WHERE evidence_id = %s", evidence_id)
    assert (row["subject_type"], row["subject_id"], row["workspace"]) == ("workspace", identity(WORKSPACE), WORKSPACE)


@pytest.mark.parametrize(("test_id", "scope", "targets"), [
    ("peer_review_required", "workspace", []), ("peer_review_required", "project", ["nothing"]),
    ("peer_review_required", "repository", ["typo"]), (MFA, "workspace", []), (MFA, "members", ["x@example.com"]),
    ("workspace_mfa_enforced", "workspace", []),
])  # fmt: skip
def test_evidence_that_would_cover_nothing_cant_be_accepted(
    registry: Registry, test_id: str, scope: str, targets: list[str]
) -> None:
    registry.repository("young", created_on=datetime.now(UTC) + timedelta(days=2)).member("bot", kind="app_user")
    evidence_id = registry.submit(test_id, scope, targets)
    with pytest.raises(EvidenceRefused, match=r"would cover nothing.*let a run read the workspace first") as refused:
        registry.decide(evidence_id)
    assert "\n" not in str(refused.value)
    assert registry.status(evidence_id) == "submitted"
    registry.decide(evidence_id, "reject", reason="covers nothing")


def test_evidence_of_another_workspace_covers_nothing_here(registry: Registry) -> None:
    registry.repository("payments")
    with pytest.raises(EvidenceRefused, match="would cover nothing"):
        registry.decide(registry.submit(workspace="elsewhere"))


# --------------------------------------------------------------------------- expiry


@pytest.mark.parametrize(("age", "accepted"), [(0, True), (89, True), (90, False), (1000, False)])
def test_what_is_past_its_validity_cant_be_accepted(registry: Registry, age: int, accepted: bool) -> None:
    registry.repository("payments")
    evidence_id = registry.submit(captured_on=today() - timedelta(days=age))
    if accepted:
        registry.decide(evidence_id)
        return
    with pytest.raises(EvidenceRefused, match="past its validity"):
        registry.decide(evidence_id)
    assert registry.covered(evidence_id) == []


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seconds_left=st.one_of(st.integers(-3, 3), st.integers(-90_000, 90_000)).filter(lambda seconds: seconds != 0),
    validity=st.integers(0, 400),
    status=st.sampled_from(["submitted", "accepted", "rejected", "withdrawn"]),
)
def test_accepted_evidence_expires_on_the_second(
    registry: Registry, seconds_left: int, validity: int, status: str
) -> None:
    """The validity ends with a midnight of the policy's time zone; a made-up zone has it when the test wants it."""
    registry.empty()
    with registry.database.transaction():
        # In one transaction now() stands still, so that a second is enough.
        now = registry.database.execute("SELECT now() AS now").fetchone()["now"]  # type: ignore[index]
        ends = now + timedelta(seconds=seconds_left)
        midnight = datetime(ends.year, ends.month, ends.day, tzinfo=UTC)
        east = -int((ends - midnight).total_seconds())
        zone = f"<x>{'+' if east <= 0 else '-'}{abs(east) // 3600:02}:{abs(east) // 60 % 60:02}:{abs(east) % 60:02}"
        name = f"{validity} {zone}"
        registry.database.execute(
            "INSERT INTO registry.policy_versions (policy_version, body) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (name, Jsonb({"thresholds": {"evidence_validity_days": validity, "time_zone": zone}})),
        )
        registry.database.execute(
            "INSERT INTO integration.runs (run_id, workspace, status, started_at, policy_version)"
            " VALUES ('r', %s, 'published', now(), %s)",
            (WORKSPACE, name),
        )
        row = registry.database.execute(
            "INSERT INTO registry.evidence (test_id, scope, workspace, kind, captured_on, submitted_by, file_name,"
            " file_sha256) VALUES ('t', 'workspace', 'acme', 'screenshot', %s, 'os:a', 'f', 'f')"
            " RETURNING evidence_id",
            (midnight.date() - timedelta(days=validity),),
        ).fetchone()
        for decision in {"submitted": [], "withdrawn": ["accepted", "withdrawn"]}.get(status, [status]):
            registry.database.execute(
                "INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by, policy_version)"
                " SELECT %s, %s, 'os:b', min(policy_version) FROM registry.policy_versions",
                (row["evidence_id"], decision),  # type: ignore[index]
            )
        found = registry.database.execute("SELECT status, valid_until FROM compliance.evidence").fetchone()
        assert found is not None
        assert abs((found["valid_until"] - ends).total_seconds()) < 1
        expected = "expired" if status == "accepted" and seconds_left < 0 else status
        assert found["status"] == expected


# ---------------------------------------------------------------------------- exports


def test_an_export_may_be_handed_in_for_somebody_else_to_accept(registry: Registry) -> None:
    registry.member("Ada", "id-a").looked_up(days_ago(1))
    evidence_id = registry.submit(MFA, None, file=("e.csv", export("a@x.io,id-a,on", ",id-z,off")), workspace=None)
    row = registry.row("SELECT * FROM compliance.evidence")
    assert (row["kind"], row["scope"], row["workspace"], row["subjects"]) == ("mfa_export", "members", None, 2)
    with pytest.raises(EvidenceRefused, match="somebody else"):
        registry.decide(evidence_id, by=ADA)
    decided = registry.decide(evidence_id)
    assert decided.subjects == 2
    assert decided.lines == (
        "unmatched: e.csv: line 3: no member of a workspace that was read has this address or account id",
    )


def test_rows_that_match_nobody_are_told_by_line_once_their_addresses_were_looked_up(registry: Registry) -> None:
    registry.member("Ada", "id-a").member("Bo", "id-b", email="bo@x.io")
    rows = ["ada@x.io,id-a,on", "bo@x.io,,on", "cy@x.io,,on", ",id-z,on", "cy@x.io,id-z,on"]
    evidence_id = registry.submit(MFA, None, file=("e.csv", export(*rows)))
    lines = registry.decide(evidence_id).lines
    assert [line for line in lines if "line 5" in line] and not [line for line in lines if "line 4" in line]
    assert lines[-1] == "unmatched: e.csv: addresses never looked up: 2; the next run asks for them"
    unmatched = "SELECT line FROM registry.unmatched_evidence_rows WHERE evidence_id = %s AND looked_up ORDER BY line"
    assert [row["line"] for row in registry.rows(unmatched, evidence_id)] == [5]
    registry.looked_up(datetime.now(UTC) + timedelta(minutes=1))
    assert [row["line"] for row in registry.rows(unmatched, evidence_id)] == [4, 5, 6]


def test_an_export_for_one_workspace_is_matched_with_its_members_alone(registry: Registry) -> None:
    registry.member("Ada", "id-a")
    evidence_id = registry.submit(MFA, None, file=("e.csv", export(",id-a,on")), workspace="elsewhere")
    assert [line.split(": ")[2] for line in registry.decide(evidence_id).lines] == ["line 2"]


def test_before_anything_was_read_one_line_says_when_rows_are_matched(registry: Registry) -> None:
    evidence_id = registry.submit(MFA, None, file=("e.csv", export(",id-a,on", ",id-b,on")))
    (line,) = registry.decide(evidence_id).lines
    assert "matched at the next run" in line


def test_very_many_rows_that_match_nobody_do_not_flood_the_terminal(registry: Registry) -> None:
    registry.member("Ada", "id-a")
    rows = [f",id-{number},on" for number in range(3000)]
    lines = registry.decide(registry.submit(MFA, None, file=("e.csv", export(*rows)))).lines
    assert len(lines) == 51
    assert "2950 more" in lines[-1]


@pytest.mark.parametrize("value", ["-", "+1", "-2.5", "+49 30 1234", "--", "+a.b@x.io", "1-2", "a=b", "#1", "3/4"])
def test_what_only_looks_like_a_formula_is_text(registry: Registry, value: str) -> None:
    content = f"Name,Email,2FA\n{value},a@x.io,on\n".encode()
    registry.submit(MFA, None, file=("e.csv", content))
    assert registry.row("SELECT email FROM registry.evidence_members")["email"] == "a@x.io"


FORMULAS = {
    "a name": '=HYPERLINK(""http://x"",""y"")',
    "behind a plus": "+cmd|' /C calc'!A0",
    "behind a minus": "-2+3+cmd|' /C calc'!A0",
    "behind an at": "@SUM(1+1)",
    "behind blanks": "\t =1+1",
}


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
def test_a_name_that_looks_like_a_formula_stops_no_export_and_is_stored_as_text(
    registry: Registry, formula: str
) -> None:
    content = f'Name,Email,2FA\n\n"{formula}","a@x.io",on\nBo,{formula if "," not in formula else "-"},on\n'.encode()
    registry.submit(MFA, None, file=("e.csv", content))
    assert [(row["line"], row["email"]) for row in registry.rows("SELECT * FROM registry.evidence_members")] == [
        (3, "a@x.io")
    ]
    [kept] = registry.kept()
    text = kept.read_text(encoding="utf-8-sig")
    assert "'" + formula.strip()[:4] in text
    assert text.splitlines()[2].endswith(",a@x.io,on")


# --------------------------------------------------------------------------- commands


def test_handing_in_deciding_and_listing_by_command(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def typed(person: str, *arguments: str) -> str:
        for module in ("evidence", "review"):
            monkeypatch.setattr(f"bitbucket_compliance.commands.{module}.operator", lambda: person)
        assert command_line.main(list(arguments)) == 0
        return capsys.readouterr().out

    monkeypatch.setenv("AIRFLOW_CONN_COMPLIANCE_POSTGRES", registry.dsn)
    registry.repository("payments")
    path = tmp_path / "shot of rules.png"
    path.write_bytes(picture("PNG", pixels("L")))
    registry.database.commit()
    about = ("--test=peer_review_required", "--workspace=ACME", "--scope=Repository", "--targets=payments, other")
    said = typed(ADA, "evidence", f"--file={path}", *about, f"--captured-on={today()}", "--note=rules")
    evidence_id = said.split("--evidence=")[1].split()[0]
    assert said.startswith(f"submitted: evidence {evidence_id} for peer_review_required")
    listed = typed(ADA, "evidence").splitlines()
    assert listed[0].split()[:2] == ["evidence_id", "test_id"]
    assert [word in listed[1] for word in (evidence_id, "acme: repository payments, other", "submitted", ADA)] == [
        True
    ] * 4
    review = ("review", f"--evidence={evidence_id}")
    said = typed(BO, *review, "--decision=accept")
    assert said.splitlines()[0] == f"accepted: evidence {evidence_id}; it covers 1 subject"
    assert "unmatched: other: " in said
    assert "accepted" in typed(BO, "evidence", "--test=peer_review_required", "--workspace=Acme")
    assert "there is no evidence yet" in typed(BO, "evidence", f"--test={MFA}")
    assert typed(BO, *review, "--decision=withdraw", "--reason=wrong").startswith("withdrawn: ")
