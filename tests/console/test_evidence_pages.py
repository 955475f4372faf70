"""Evidence through the pages: handed in by one person, decided by another, refused with its reason."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from httpx import Response
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, NameObject

from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.console.world import HOSTILE, WORKSPACE, Published, message, problem
from tests.registry.files import bomb, document, export, opened, opens_with, picture, with_metadata

PNG = ("shot.png", picture(), "image/png")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store of evidence files."""
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_URL", (tmp_path / "store").as_uri())
    return tmp_path / "store"


@pytest.fixture
def world(database: Database, store: Path) -> Published:
    return Published(database)


@pytest.fixture
def ada(open_console: OpenConsole) -> Console:
    return open_console("op", "ada")


@pytest.fixture
def bo(open_console: OpenConsole) -> Console:
    return open_console("op", "bo")


def today(days: int = 0) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()


def upload(console: Console, file: Any = PNG, **fields: str) -> Response:
    given = {"test_id": "workspace_mfa_enforced", "workspace": WORKSPACE, "captured_on": today(), **fields}
    return console.submit("/evidence", given, on="/evidence/new", files={"file": file} if file else {})


def handed_in(console: Console, file: Any = PNG, **fields: str) -> str:
    """The path of the evidence's page."""
    answer = upload(console, file, **fields)
    assert answer.status_code == 303, answer.text
    return f"/{answer.headers['location'].removeprefix('../').removeprefix('./')}"


def decide(console: Console, path: str, decision: str, reason: str = "") -> Response:
    return console.submit(f"{path}/decision", {"decision": decision, "reason": reason}, on="/evidence/new")


def nothing_is_stored(world: Published, store: Path) -> bool:
    rows = world.rows("SELECT 1 FROM registry.evidence UNION ALL SELECT 1 FROM integration.console_audit")
    return not rows and not [path for path in store.rglob("*") if path.is_file()]


def test_evidence_is_handed_in_accepted_by_somebody_else_and_withdrawn(
    world: Published, ada: Console, bo: Console
) -> None:
    path = handed_in(ada, note="the policy of all users")
    shown = ada.get(path)
    assert message(shown).startswith("Handed in: somebody else has to decide on it")
    assert "the policy of all users" in shown.text
    assert ada.get("/evidence").text.count("Nothing waits for a review") == 0

    refused = decide(ada, path, "accept")
    assert refused.status_code == 409
    assert "submitted by ada: ada can't decide on what is their own, somebody else has to decide" in problem(refused)

    assert decide(bo, path, "accept").status_code == 303
    assert message(bo.get(path)) == "Evidence accepted; it covers 1 subject; results show it from the next run on"
    assert "Nothing waits for a review" in bo.get("/evidence").text

    assert "a reason is missing" in problem(decide(ada, path, "withdraw"))
    assert decide(ada, path, "withdraw", "wrong workspace").status_code == 303
    assert "wrong workspace" in ada.get(path).text
    assert 'name="decision"' not in ada.get(path).text
    assert world.audited() == [
        ("airflow:ada", "evidence.submitted"),
        ("airflow:bo", "evidence.accepted"),
        ("airflow:ada", "evidence.withdrawn"),
    ]
    [told] = world.rows("SELECT before, after FROM integration.console_audit WHERE action = 'evidence.accepted'")
    assert (told["before"]["status"], told["after"]["status"]) == ("submitted", "accepted")


def test_the_reviewer_sees_the_picture_and_what_it_would_cover(world: Published, ada: Console, bo: Console) -> None:
    path = handed_in(ada)
    text = bo.get(path).text
    [source] = re.findall(r'<img class="shown" src="([^"]+)"', text)
    picture = bo.get(f"/evidence/{source.removeprefix('../').removeprefix('evidence/')}")
    assert picture.status_code == 200 and picture.headers["content-type"] == "image/png"
    assert "It would cover 1 subject, among them 0 of 0 failing." in text
    assert "What it would cover now" in text and f">{WORKSPACE}</a>" in text.partition('id="would-cover"')[2]
    assert 'value="accept"' in text
    assert world.rows("SELECT 1 FROM registry.evidence_subjects") == []
    own = ada.get(path).text
    assert "Not for you to accept or reject" in own and 'value="accept"' not in own


def test_rejecting_says_why_and_keeps_what_was_typed(world: Published, ada: Console, bo: Console) -> None:
    path = handed_in(ada)
    assert "a reason is missing" in problem(decide(bo, path, "reject"))
    assert decide(bo, path, "reject", f"cut off {HOSTILE}").status_code == 303
    shown = bo.get(path).text
    assert HOSTILE not in shown
    assert "cut off &lt;script&gt;" in shown
    answer = decide(bo, path, "accept", "changed my mind")
    assert answer.status_code == 409
    assert "rejected already, by bo" in problem(answer)


def test_evidence_that_ends_within_14_days_is_told(world: Published, ada: Console, bo: Console) -> None:
    path = handed_in(ada, captured_on=today(-80))
    assert "No accepted evidence expires" in bo.get("/evidence").text
    decide(bo, path, "accept")
    assert "No accepted evidence expires" not in bo.get("/evidence").text


def test_the_history_is_filtered_and_turned_on_the_server(world: Published, ada: Console) -> None:
    for number in range(52):
        handed_in(ada, (f"shot-{number:02}.png", picture(), "image/png"), captured_on=today(-number))
    first = ada.get("/evidence", params={"test_id": "workspace_mfa_enforced"}).text
    assert "1–50 of 52" in first
    history = first.split('id="history"')[1]
    assert (history.count('<th scope="row">'), "shot-51.png" in history, "shot-00.png" in history) == (50, True, False)
    assert "51–52 of 52" in ada.get("/evidence?page=2").text
    assert "None" in ada.get("/evidence?status=accepted").text.split('class="pager"')[1]


def test_the_file_comes_back_as_an_attachment_that_no_browser_runs(world: Published, ada: Console) -> None:
    path = handed_in(ada, ("bü ro.png", with_metadata("PNG"), "image/png"))
    answer = ada.get(f"{path}/file")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert "b%C3%BC%20ro.png" in answer.headers["content-disposition"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert b"Secret" not in answer.content


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (("page.png", b"<html><script>alert(1)</script>", "image/png"), "HTML or another markup"),
        (("a.svg", b"<svg onload='alert(1)'/>", "image/svg+xml"), "SVG picture"),
        (("shot.png", b"MZ\x90", "image/png"), "is a program"),
        (("shot.jpg", picture(), "image/jpeg"), "its name says .jpg"),
        (("bomb.png", bomb(), "image/png"), "pixels"),
        (("run.pdf", document(change=opens_with("/JavaScript", JS="app.alert(1)")), "application/pdf"), "refused"),
        (("empty.png", b"", "image/png"), "is empty"),
        (("shot.png", picture() + b"<script>alert(1)</script>", "image/png"), "refused"),
        (("big.png", picture() + b"\0" * 10 * 1024 * 1024, "image/png"), "larger than 10 MB"),
        (("shot.pdf.exe\u202e.png", picture(), "image/png"), "control characters"),
        (("../../etc/passwd.png", picture(), "image/png"), "is a path"),
        (None, "no file was chosen"),
    ],
)
def test_a_hostile_upload_is_refused_in_one_line_and_nothing_is_stored(
    world: Published, store: Path, ada: Console, file: Any, reason: str
) -> None:
    answer = upload(ada, file, note=HOSTILE, targets="a, b")
    assert answer.status_code == 422
    told = problem(answer)
    assert reason in told
    assert "\n" not in told
    assert HOSTILE not in answer.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;</textarea>" in answer.text
    assert f'value="{today()}"' in answer.text
    assert nothing_is_stored(world, store)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"test_id": "nonsense"}, "there is no test 'nonsense'"),
        ({"captured_on": "yesterday"}, "is no date"),
        ({"captured_on": ""}, "day of capture is missing"),
        ({"captured_on": "2999-01-01"}, "lies in the future"),
        ({"workspace": HOSTILE}, "is no workspace slug"),
        ({"scope": "planet"}, "there is no scope"),
        ({"note": "x" * 2001}, "2000 are the most"),
        ({"note": "a\x07b"}, "control characters"),
    ],
)
def test_a_claim_that_can_not_be_is_refused_and_nothing_is_stored(
    world: Published, store: Path, ada: Console, fields: dict[str, str], reason: str
) -> None:
    answer = upload(ada, **fields)
    assert answer.status_code == 422
    assert reason in problem(answer)
    assert nothing_is_stored(world, store)


def test_a_file_far_too_large_is_not_even_read_to_its_end(world: Published, store: Path, ada: Console) -> None:
    answer = upload(ada, ("big.png", b"\0" * 11 * 1024 * 1024, "image/png"))
    assert answer.status_code == 413
    assert nothing_is_stored(world, store)


def test_a_store_that_can_not_be_written_loses_nothing_that_was_typed(
    world: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ada: Console
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_URL", (tmp_path / "file").as_uri())
    answer = upload(ada, note="all users")
    assert answer.status_code == 503
    assert "can't be used" in problem(answer)
    assert "all users</textarea>" in answer.text
    assert world.rows("SELECT 1 FROM registry.evidence") == []


def test_an_export_names_its_members_and_tells_what_it_matches(world: Published, ada: Console, bo: Console) -> None:
    world.member("Mia", account_id="1")
    path = handed_in(ada, ("users.csv", export("mia@example.com,1,yes"), "text/csv"), test_id="user_mfa_enabled")
    before = bo.get(path).text
    assert "1 row: 0 without two-step verification; 1 name a member of acme." in before and ">Mia</td>" in before
    decide(bo, path, "accept")
    shown = bo.get(path)
    assert "The 1 rows of the export" in shown.text
    assert "mia@example.com" not in shown.text


def test_the_address_fills_the_form_for_the_subject_of_a_test(world: Published, ada: Console) -> None:
    key = world.repository("pay")
    asked = {"test_id": "branch_protection_enforced", "subject_id": key}
    shown = ada.get("/evidence/new", params=asked).text
    assert '<option value="branch_protection_enforced" selected>' in shown
    assert '<option value="repository" selected>' in shown
    assert ">pay</textarea>" in shown


def test_names_of_files_and_targets_are_escaped_everywhere(world: Published, ada: Console) -> None:
    world.repository("pay")
    name = "<img src=x onerror=alert(1)>.png"
    path = handed_in(
        ada,
        (name, picture(), "image/png"),
        test_id="branch_protection_enforced",
        scope="repository",
        targets="<b>pay</b>",
    )
    for page in (path, "/evidence"):
        shown = ada.get(page).text
        assert "<img src=x" not in shown
        assert "<b>pay" not in shown
        assert "&lt;img src=x onerror=alert(1)&gt;.png" in shown


def test_forms_without_their_token_or_from_elsewhere_do_nothing(world: Published, store: Path, ada: Console) -> None:
    fields = {"test_id": "workspace_mfa_enforced", "workspace": WORKSPACE, "captured_on": today()}
    assert ada.post("/evidence", data=fields, files={"file": PNG}).status_code == 403
    elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    token = ada.token("/evidence/new")
    answer = ada.post("/evidence", data={"csrf_token": token, **fields}, files={"file": PNG}, headers=elsewhere)
    assert answer.status_code == 403
    assert nothing_is_stored(world, store)


def test_a_reader_sees_and_downloads_and_decides_nothing(
    world: Published, ada: Console, open_console: OpenConsole
) -> None:
    path = handed_in(ada)
    viewer, nobody = open_console("viewer", "vic"), open_console(None)
    assert viewer.get("/evidence").status_code == 200
    assert "Upload evidence" not in viewer.get("/evidence").text
    assert 'name="decision"' not in viewer.get(path).text
    assert viewer.get(f"{path}/file").status_code == 200
    assert viewer.get("/evidence/new").status_code == 403
    assert viewer.post(f"{path}/decision", data={"decision": "accept"}).status_code == 403
    for page in ("/evidence", path, f"{path}/file", "/evidence/new"):
        assert nobody.get(page).status_code == 401
    assert world.audited() == [("airflow:ada", "evidence.submitted")]


def test_what_postgres_can_not_take_is_refused_before_it_gets_there(world: Published, ada: Console) -> None:
    for path in ("/evidence?status=%00", "/exceptions?test_id=%00", "/repositories?search=%00", "/members?role=%00"):
        assert ada.get(path).status_code == 422
    for path in ("/evidence?page=0", "/members?page=99999999999999999999", "/repositories?page=x"):
        assert ada.get(path).status_code == 422


@pytest.mark.parametrize("name", ["00000000-0000-4000-8000-000000000000", "nonsense"])
def test_evidence_that_is_not_there_is_told_so(world: Published, ada: Console, name: str) -> None:
    for path in (f"/evidence/{name}", f"/evidence/{name}/file"):
        assert ada.get(path).status_code in (404, 422)


def _red(writer: PdfWriter) -> None:
    """Paint the left half of the first page."""
    content = DecodedStreamObject()
    content.set_data(b"1 0 0 rg 0 0 100 100 re f")
    writer.pages[0][NameObject("/Contents")] = writer._add_object(content)


def test_a_document_is_shown_page_by_page(world: Published, ada: Console) -> None:
    path = handed_in(ada, ("rules.pdf", document(2, change=_red), "application/pdf"))
    assert f"{path.removeprefix('/')}/pages/1" in ada.get(path).text
    assert "Page 2 of 2" in ada.get(f"{path}/pages?page=2").text
    first = ada.get(f"{path}/pages/1")
    assert first.headers["content-type"] == "image/png"
    shown = opened(first.content)
    assert (shown.size, shown.getpixel((10, 10)), shown.getpixel((300, 10))) == ((350, 175), (255, 0, 0), (255,) * 3)
    for missing in (f"{path}/pages/3", f"{path}/pages?page=3"):
        answer = ada.get(missing)
        assert answer.status_code == 404
        assert "rules.pdf has 2 pages, none with the number 3" in answer.text


def test_whoever_looks_at_a_file_waits_for_nobody_who_decides_on_it_or_looks_at_it(
    world: Published, ada: Console, dsn: str
) -> None:
    path = handed_in(ada, ("policy.pdf", document(), "application/pdf"))
    with ThreadPoolExecutor() as readers, psycopg.connect(dsn) as deciding:
        deciding.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('evidence ' || %s, 0))", (path.removeprefix("/evidence/"),)
        )
        for what in ("file", "pages/1"):
            assert readers.submit(ada.get, f"{path}/{what}").result(timeout=30).status_code == 200


def test_a_picture_has_no_pages(world: Published, ada: Console) -> None:
    answer = ada.get(f"{handed_in(ada)}/pages")
    assert answer.status_code == 404
    assert "only a PDF document has pages" in answer.text
