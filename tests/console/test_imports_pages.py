"""Imports through the pages: what was imported, what of it could not be used, and taking one back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bitbucket_compliance.registry.imports import import_file
from tests.conftest import Database
from tests.console.conftest import Console, OpenConsole
from tests.console.world import HOSTILE, Published, message, problem

STAFF = "".join(f"p{number}@x.io,active,\n" for number in range(30))
Take = Callable[..., int]


@pytest.fixture
def take(database: Database, tmp_path: Path) -> Take:
    """Import a roster of 30 people and these rows; returns the import's number."""
    Published(database)

    def taken(*rows: str, name: str = "people.csv", roster_name: str = "main") -> int:
        path = tmp_path / name
        path.write_text("email,status,name\n" + STAFF + "".join(f"{row}\n" for row in rows))
        found = import_file(database, "roster", path, imported_by="os:ada", roster_name=roster_name)
        assert found.import_id is not None
        return found.import_id

    return taken


@pytest.fixture
def ada(open_console: OpenConsole) -> Console:
    return open_console("op", "ada")


def test_imports_are_listed_newest_first_with_what_counts(take: Take, open_console: OpenConsole) -> None:
    first, second, third = take(), take(), take("c@x.io,active,", roster_name="contractors")
    text = open_console("viewer").get("/imports").text
    places = [text.index(f">Import {number}<") for number in (third, second, first)]
    assert places == sorted(places)
    assert text.count("in force") == 2 and text.count("replaced") == 1
    assert "roster contractors" in text and "ada (command line)" in text


def test_one_import_tells_what_is_wrong_with_its_rows_and_not_whose_they_are(
    take: Take, open_console: OpenConsole
) -> None:
    number = take(f"secret@x.io,dismissed for cause,{HOSTILE}")
    text = open_console("viewer").get(f"/imports/{number}").text
    assert "column status: is unknown" in text and ">32<" in text
    assert "secret@x.io" not in text and "for cause" not in text and HOSTILE not in text
    assert "Your login may read this" in text and "<form" not in text.partition("<h1>")[2]


def test_an_import_is_taken_back_with_a_reason_and_stands_in_the_audit_trail(take: Take, ada: Console) -> None:
    first, second = take(), take()
    path, on = f"/imports/{second}/take-back", f"/imports/{second}"
    assert "a reason is missing" in problem(ada.submit(path, {"reason": " "}, on=on))
    assert ada.submit(path, {"reason": "the wrong report"}, on=on).status_code == 303
    assert f"the roster main is import {first} again" in message(ada.get(on))
    text = ada.get(on).text
    assert "taken back by ada" in text and "the wrong report" in text and "Take back" not in text
    trail = ada.get("/audit").text
    assert "import.taken_back" in trail and f"import {second}" in trail


def test_what_was_taken_back_meanwhile_is_refused(take: Take, ada: Console, open_console: OpenConsole) -> None:
    number = take()
    path, on = f"/imports/{number}/take-back", f"/imports/{number}"
    token = ada.token(on)
    open_console("op", "bo").submit(path, {"reason": "r"}, on=on)
    refused = ada.post(path, data={"csrf_token": token, "reason": "r"}, follow_redirects=False)
    assert refused.status_code == 409
    assert "was taken back already, by bo" in problem(refused)


@pytest.mark.parametrize(("path", "status"), [("/imports/4711", 404), ("/imports/x", 422), ("/imports/0", 422)])
def test_an_import_that_is_not_there_is_told(take: Take, ada: Console, path: str, status: int) -> None:
    take()
    assert ada.get(path).status_code == status


def test_a_viewer_takes_nothing_back(take: Take, open_console: OpenConsole) -> None:
    number = take()
    viewer = open_console("viewer")
    assert viewer.post(f"/imports/{number}/take-back", data={"reason": "r"}).status_code == 403
