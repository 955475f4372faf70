"""What the pages of results show as of a past day. Their own routes lead here; there is nothing to press."""

from __future__ import annotations

from typing import Any

from fastapi import HTTPException, Request
from starlette.responses import Response

from compliance_console_app.database import Connection
from compliance_console_app.permissions import Person
from compliance_console_app.services import past as history
from compliance_console_app.services.workspaces import Selection
from compliance_console_app.web.csv_answer import csv_answer
from compliance_console_app.web.listing import Listing
from compliance_console_app.web.pages import page
from compliance_console_app.web.past import PARAMETER, Past

STATUSES = ("failing", "passing", "pending", "error", "not_applicable")
SEVERITIES = ("critical", "high", "medium")
KINDS = {"repositories": "repository", "members": "member"}


class PastPages:
    """The pages of one request.

    Args:
        request, person, connection, selection: of the route that leads here. past: the day.
    """

    def __init__(
        self, request: Request, person: Person, connection: Connection, selection: Selection, past: Past
    ) -> None:
        self._request, self._person, self._connection = request, person, connection
        self._workspace, self._past = selection.name, past

    def overview(self, title: str) -> Response:
        """The score and the tests with their counts."""
        found = self._tests()
        return self._page("past_overview.html", title=title, tests=found, total=found[0] if found else None)

    def findings(self, chosen: dict[str, str], number: int, *, as_csv: bool) -> Response:
        """What was failing."""
        wanted = {name: chosen.get(name, "") for name in ("test_id", "severity", "words")}
        return self._results("findings", "findings", {**wanted, "status": "failing"}, number, as_csv=as_csv)

    def test(self, test_id: str, chosen: dict[str, str], number: int, *, as_csv: bool) -> Response:
        """The results of one test."""
        return self._results(f"tests/{test_id}", test_id, {**chosen, "test_id": test_id}, number, as_csv=as_csv)

    def subject(self, test_id: str, subject_id: str) -> Response:
        """One verdict."""
        found = self._of_subject(subject_id, test_id)
        own = [one for one in found if one["subject_id"] == subject_id]
        if not own:
            raise self._unknown("no result of this test on this subject was published")
        return self._page("past_subject.html", result=own[0])

    def inventory(self, what: str, words: str, number: int) -> Response:
        """Repositories or members."""
        listing = self._listing(what, {"search": words.strip()}, number)
        found = self._inventory(what, listing)
        return self._page("past_inventory.html", what=what, found=found, listing=listing.of(found))

    def one(self, what: str, key: str) -> Response:
        """One repository or member with every verdict on it."""
        kind = KINDS[what]
        known = self._inventory(what, self._listing(what, {}, 1), key)
        subject_id = known[0][f"{kind}_id"] if known else key
        found = self._of_subject(subject_id)
        own = [one for one in found if one["subject_id"] == subject_id]
        if not known and not own:
            raise self._unknown(f"no such {kind} was known")
        name = known[0]["name"] if known else own[0]["subject_name"]
        return self._page("past_one.html", what=what, name=name, one=known[0] if known else None, results=found)

    def _check_known(self, test_id: str, found: list[dict[str, Any]]) -> None:
        """Raise where nobody ever knew a test; one that is there no longer may have results."""
        if test_id and not found and test_id not in history.titles(self._connection):
            raise self._unknown("there was no such test")

    def _results(self, path: str, name: str, chosen: dict[str, str], number: int, *, as_csv: bool) -> Response:
        listing = self._listing(path, chosen, number)
        if as_csv:
            found = history.results(self._connection, self._workspace, self._past.moment, **chosen)
            self._check_known(chosen["test_id"], found)
            columns = [column for column in (found[0] if found else {}) if column not in ("total", "display_order")]
            return csv_answer(f"{name}-as-of-{self._past.day}", self._workspace, found, columns)
        found = history.results(
            self._connection, self._workspace, self._past.moment, **{**chosen, **listing.parameters}
        )
        self._check_known(chosen["test_id"], found)
        return self._page(
            "past_results.html",
            found=found,
            listing=listing.of(found),
            is_findings=path == "findings",
            titles=history.titles(self._connection),
            statuses=STATUSES,
            severities=SEVERITIES,
        )

    def _inventory(self, what: str, listing: Listing, key: str = "") -> list[dict[str, Any]]:
        asked = {"words": listing.chosen.get("search", ""), **listing.parameters, "key": key}
        return history.inventory(self._connection, what, self._workspace, self._past.moment, asked)

    def _tests(self) -> list[dict[str, Any]]:
        return history.tests(self._connection, self._workspace, self._past.moment)

    def _of_subject(self, subject_id: str, test_id: str = "") -> list[dict[str, Any]]:
        return history.of_subject(self._connection, self._workspace, self._past.moment, subject_id, test_id)

    def _listing(self, path: str, chosen: dict[str, str], number: int) -> Listing:
        return Listing(path, {**chosen, PARAMETER: str(self._past.day)}, number=number)

    def _unknown(self, what: str) -> HTTPException:
        return HTTPException(404, detail=f"as of {self._past.day} {what} in this workspace")

    def _page(self, template: str, /, **values: Any) -> Response:
        stand = history.stand(self._connection, self._workspace, self._past.moment)
        return page(self._request, self._person, template, stand=stand, **values)
