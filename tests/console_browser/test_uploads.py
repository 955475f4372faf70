"""Uploads of declared files in a browser: what they would bring is shown first, and written when confirmed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.console_browser import steps
from tests.console_browser.looking import Visitor
from tests.console_browser.world import Airflow

Enter = Callable[[str], Visitor]
INSPECTION = 90_000  # ms
STAFF = "".join(f"person{number}@example.com,Active,\n" for number in range(40))
ROSTER = f"Work Email,Employment Status,Termination Date\n{STAFF}lea@example.com,Gone fishing,31.10.2026\n".encode()
CLASSIFICATION = b"target_type,target,classification,sensitivity,owner\nrepository,payments,secret,,\n"
MFA = b"Name,Email,Two-step verification\n=SUM(1+1),sum@example.com,Enabled\nAnn,ann@example.com,Disabled\n"


@pytest.fixture
def rows(airflow: Airflow) -> Callable[[], int]:
    """How many imports there are."""
    return lambda: int(airflow.query("SELECT count(*) AS n FROM registry.imports")[0]["n"])


@pytest.fixture(scope="module", params=[False, True], ids=["light", "dark"])
def owner(request: pytest.FixtureRequest, browser: Browser, airflow: Airflow) -> Iterator[Visitor]:
    opened = Visitor(browser, airflow, "owner", dark=request.param)
    opened.sign_in()
    # Files are opened by processes that give way to everything else.
    opened.page.set_default_timeout(INSPECTION)
    yield opened
    assert opened.left_the_machine == [] and opened.complaints == []
    opened.close()


def test_a_roster_is_shown_before_it_is_written(owner: Visitor, rows: Callable[[], int]) -> None:
    before = rows()
    owner.open("imports/new")
    assert owner.serious() == []
    steps.show_upload(owner, "Roster", "people.csv", ROSTER)
    main = owner.page.locator("main")
    expect(main).to_contain_text("Nothing was written yet")
    expect(main).to_contain_text("40 would be taken")
    assert owner.cells("refused") == [
        [
            "42",
            "Employment Status",
            "'Gone fishing' is unknown; known: active, on_leave, terminated, or say it in a mapping",
        ]
    ]
    assert ["email", "Work Email"] in owner.cells("columns")
    assert owner.serious() == []
    assert rows() == before
    owner.page.get_by_role("button", name="Import", exact=True).click()
    expect(owner.page.locator("main")).to_contain_text("Imported: 40 people")
    assert rows() == before + 1
    assert owner.serious() == []


def test_a_file_that_cannot_be_taken_says_why_beside_the_form(owner: Visitor, rows: Callable[[], int]) -> None:
    before = rows()
    steps.show_upload(owner, "Classification", "kinds.csv", CLASSIFICATION)
    expect(owner.page.get_by_role("alert")).to_contain_text("line 2: column classification: 'secret' is unknown")
    expect(owner.page.get_by_label("File", exact=True)).to_be_visible()
    assert owner.serious() == []
    assert rows() == before


def test_nobody_stops_the_export_by_the_name_they_chose(owner: Visitor, visitor: Enter) -> None:
    """The file is taken as it came; the copy that is kept opens in a spreadsheet without a formula."""
    content = MFA + (b"Cy,cy@example.com,Enabled\n" if owner.dark else b"")
    steps.show_upload(owner, "Two-step verification export", "members.csv", content)
    expect(owner.page.locator("main")).to_contain_text("would be taken")
    assert owner.serious() == []
    owner.page.get_by_role("button", name="Hand in for review").click()
    owner.page.wait_for_url(re.compile(r"/compliance/evidence/[0-9a-f-]{36}$"))
    reviewer = visitor("reviewer")
    reviewer.page.goto(owner.page.url)
    with reviewer.page.expect_download() as download:
        reviewer.page.get_by_role("link", name="Download the file").click()
    kept = download.value.path().read_text(encoding="utf-8-sig")
    assert "'=SUM(1+1)" in kept and "\n=SUM" not in kept
    steps.accept(reviewer)
    expect(reviewer.page.locator("main")).to_contain_text("Evidence accepted")


def test_on_a_phone_nothing_hangs_out_of_the_page(phone: Visitor) -> None:
    phone.page.set_default_timeout(INSPECTION)
    for path in ("imports", "imports/new", "imports/new?kind=mfa"):
        assert phone.open(path).evaluate("document.documentElement.scrollWidth") <= phone.width, path
    steps.show_upload(phone, "Roster", "people.csv", ROSTER)
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= phone.width
