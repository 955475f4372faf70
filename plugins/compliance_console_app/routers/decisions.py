"""What the pages of evidence and of exceptions have in common: the lists, one of them, the decision on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from bitbucket_compliance.core.errors import PipelineError, one_line
from bitbucket_compliance.core.persons import why_not_another
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.policies import policy_of
from compliance_console_app.database import Connection, Database, row, rows
from compliance_console_app.permissions import Decider, MayDecide, Person, Reader
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web import csv_answer
from compliance_console_app.web.fields import one
from compliance_console_app.web.forms import Form
from compliance_console_app.web.listing import Listing, PageNumber, Text
from compliance_console_app.web.pages import page, redirect

# What both lists above the history show at most; who has more of them works from the top.
SHOWN = 100
SUBJECT_TYPES = {test.test_id: test.subject_type for test in CATALOGUE}
TEST_TITLES = {test.test_id: test.title for test in CATALOGUE}


@dataclass(frozen=True)
class Kind:
    """Something that people hand in and others decide on.

    Attributes:
        name: what one of them is called. path: its pages, and the folder of its statements.
        statuses: to filter by.
        refusal: what ``decide`` raises where it can't be decided so.
        decide: accepts, rejects or withdraws one.
        told: from the decision and what ``decide`` gave, the message for the person.
        would_cover: what one that waits would cover if it were accepted now; raises ``refusal`` where it can't be.
        stake: by whom one was asked for, or who owns it: none of them accepts or rejects it.
        waits: the status of one that waits.
    """

    name: str
    path: str
    statuses: tuple[str, ...]
    refusal: type[PipelineError]
    decide: Callable[..., Any]
    told: Callable[[str, Any], str]
    would_cover: Callable[[Connection, str], list[dict[str, Any]]]
    stake: tuple[str, ...]
    waits: str

    def found(self, connection: Connection, key: str) -> dict[str, Any]:
        """One of them; 404 where there is none."""
        found = row(connection, f"{self.path}/one", {"key": key})
        if found is None:
            raise HTTPException(404, detail=f"there is no {self.name} {key}")
        return found

    def day(self, text: str, what: str, why: str, example: str) -> date:
        """The day that was typed.

        Raises:
            PipelineError: ``refusal``; it is missing (``why`` says why it is needed), or is no date.
        """
        try:
            return date.fromisoformat(text.strip())
        except ValueError:
            problem = f"{ascii(text.strip())[:40]} is no date; write it as {example}" if text.strip() else why
            raise self.refusal(f"{what} {problem}") from None


def add_pages(router: APIRouter, kind: Kind) -> None:
    """Add the pages; after those whose address could be taken for the id of one."""

    @router.get(f"/{kind.path}")
    def overview(
        request: Request,
        person: Reader,
        connection: Database,
        selection: Selected,
        may_decide: MayDecide,
        test_id: Text = "",
        status: Text = "",
        number: PageNumber = 1,
        form: csv_answer.Form = "",
    ) -> Response:
        """To review, ending within 14 days, and the history, of which one page."""
        listing = Listing(kind.path, {"test_id": test_id, "status": status}, number=number)
        top = {"workspace": selection.name, "test_id": "", "status": "", "limit": SHOWN, "offset": 0}
        filtered = {**top, **listing.chosen, **listing.parameters}
        if form == "csv":
            everything = {**filtered, **replace(listing, number=1, size=None).parameters, "section": "history"}
            return csv_answer.csv_answer(kind.path, selection.name, rows(connection, f"{kind.path}/list", everything))
        history = rows(connection, f"{kind.path}/list", {**filtered, "section": "history"})
        return page(
            request,
            person,
            f"{kind.path}.html",
            may_decide=may_decide,
            to_review=rows(connection, f"{kind.path}/list", {**top, "section": "review"}),
            expiring=rows(connection, f"{kind.path}/list", {**top, "section": "expiring"}),
            history=history,
            listing=listing.of(history),
            tests=TEST_TITLES,
            statuses=kind.statuses,
        )

    @router.get(f"/{kind.path}/{{key}}")
    def details(
        request: Request, person: Reader, connection: Database, selection: Selected, may_decide: MayDecide, key: UUID
    ) -> Response:
        """One of them: what it is about, what it covers, what became of it."""
        return _details(kind, request, person, connection, str(key), selection.name, may_decide=may_decide)

    @router.post(f"/{kind.path}/{{key}}/decision")
    def decide_on(
        request: Request, person: Decider, connection: Database, selection: Selected, key: UUID, form: Form
    ) -> Response:
        """Accept, reject or withdraw; the latter two with a reason."""
        decision, reason = one(form, "decision"), one(form, "reason")
        kind.found(connection, str(key))
        try:
            decided = kind.decide(connection, str(key), decision, decided_by=person.id, reason=reason or None)
        except kind.refusal as refused:
            problem = one_line(refused)
            return _details(
                kind, request, person, connection, str(key), selection.name, problem=problem, typed_reason=reason
            )
        return redirect(request, f"{kind.path}/{key}", kind.told(decision, decided))


@dataclass(frozen=True)
class Preview:
    """What one that waits would cover now.

    Attributes:
        subjects: each with name, status and severity. failing: how many of the test fail in the workspace.
        subject_type: what they are; a test that is no more tells nothing, and its subjects have its page alone.
        problem: why it would cover nothing.
    """

    subjects: list[dict[str, Any]]
    failing: int
    subject_type: str
    problem: str = ""

    @property
    def shown(self) -> list[dict[str, Any]]:
        """As many as a page shows."""
        return self.subjects[:SHOWN]

    @property
    def told(self) -> str:
        """``16 of 40 failing, 3 critical``."""
        failing = [one for one in self.subjects if one["status"] == "failing"]
        critical = sum(one["severity"] == "critical" for one in failing)
        told = f"{len(failing)} of {self.failing} failing"
        return f"{told}, {critical} critical" if critical else told


def _preview(kind: Kind, connection: Connection, found: dict[str, Any], key: str) -> Preview:
    about = {"workspace": found["workspace"], "test_id": found["test_id"]}
    failing = row(connection, "decisions/failing", about)
    try:
        subjects, problem = kind.would_cover(connection, key), ""
    except kind.refusal as refused:
        subjects, problem = [], one_line(refused)
    subject_type = SUBJECT_TYPES.get(found["test_id"], "")
    return Preview(subjects, failing["failing"] if failing else 0, subject_type, problem)


def _not_for(person: Person, kind: Kind, connection: Connection, found: dict[str, Any]) -> str:
    """Why this person may neither accept nor reject it; empty: they may."""
    if policy_of(connection, found["workspace"]).thresholds.allow_self_review:
        return ""
    return why_not_another(person.id, [found[name] for name in kind.stake]) or ""


def _details(
    kind: Kind,
    request: Request,
    person: Person,
    connection: Connection,
    key: str,
    workspace: str,
    *,
    may_decide: bool = True,
    problem: str = "",
    typed_reason: str = "",
) -> Response:
    found = kind.found(connection, key)
    waits = found["status"] == kind.waits
    lists_people = may_decide and found.get("kind") == "mfa_export"
    about = {"key": key, "workspace": workspace, "limit": SHOWN}
    return page(
        request,
        person,
        f"{kind.path}_details.html",
        status_code=409 if problem else 200,
        **{kind.name: found},
        preview=_preview(kind, connection, found, key) if waits else None,
        not_for_you=_not_for(person, kind, connection, found) if waits and may_decide else "",
        subjects=rows(connection, f"{kind.path}/subjects", {"key": key, "limit": SHOWN}),
        people=rows(connection, "evidence/people", about) if lists_people else [],
        may_decide=may_decide,
        problem=problem,
        typed_reason=typed_reason,
    )
