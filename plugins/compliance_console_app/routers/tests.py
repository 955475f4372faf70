"""Tests: the list, one test with its subjects, one subject with its facts and its past."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from bitbucket_compliance.security_tests import BY_ID
from compliance_console_app.database import Database, row, rows
from compliance_console_app.permissions import MayDecide, Reader
from compliance_console_app.routers.past import PastPages
from compliance_console_app.services.remedies import filled_in
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web import csv_answer
from compliance_console_app.web.listing import Listing, PageNumber, Text
from compliance_console_app.web.pages import page
from compliance_console_app.web.past import AsOf

router = APIRouter()

STATUSES = ("failing", "passing", "pending", "error", "not_applicable")
SORTS = {"status": "worst first", "name": "by name", "due": "due first", "since": "newest change first"}
Status = Literal["", "passing", "failing", "pending", "error", "not_applicable"]
Sort = Literal["status", "name", "since", "due"]
INTERVALS_SHOWN = 50


@router.get("/tests")
def tests(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    past: AsOf,
    form: csv_answer.Form = "",
) -> Response:
    """Every test of the catalogue."""
    if past:
        return PastPages(request, person, connection, selection, past).overview("Tests")
    found = rows(connection, "overview/tests", {"workspace": selection.name})
    if form == "csv":
        return csv_answer.csv_answer("tests", selection.name, found)
    return page(request, person, "tests.html", tests=found)


@router.get("/tests/{test_id}")
def test(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    may_decide: MayDecide,
    test_id: str,
    past: AsOf,
    status: Status = "",
    words: Text = "",
    sort: Sort = "status",
    number: PageNumber = 1,
    form: csv_answer.Form = "",
) -> Response:
    """One test: its subjects, filtered, sorted, a page of them."""
    if past:
        chosen = {"status": status, "words": words.strip()}
        pages = PastPages(request, person, connection, selection, past)
        return pages.test(test_id, chosen, number, as_csv=form == "csv")
    asked = {"workspace": selection.name, "test_id": test_id}
    found = _known(row(connection, "tests/one", asked))
    listing = Listing(f"tests/{test_id}", {"status": status, "words": words.strip()}, sort, number)
    if form == "csv":
        everything = replace(listing, number=1, size=None).parameters
        subjects = rows(connection, "tests/subjects", {**asked, **listing.chosen, **everything})
        return csv_answer.csv_answer(test_id, selection.name, subjects)
    subjects = rows(connection, "tests/subjects", {**asked, **listing.chosen, **listing.parameters})
    return page(
        request,
        person,
        "test.html",
        test=found,
        controls=rows(connection, "tests/controls", asked),
        subjects=subjects,
        listing=listing.of(subjects),
        statuses={name: f"{name.replace('_', ' ')} ({found[name]})" for name in STATUSES},
        sorts=SORTS,
        may_decide=may_decide,
        **_ways_to_settle(test_id),
    )


@router.get("/tests/{test_id}/{subject_id}")
def subject(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    may_decide: MayDecide,
    test_id: str,
    subject_id: str,
    past: AsOf,
) -> Response:
    """One verdict: why, what would mend it, the facts, how it came about."""
    if past:
        return PastPages(request, person, connection, selection, past).subject(test_id, subject_id.replace("\0", ""))
    asked = {"workspace": selection.name, "test_id": test_id, "subject_id": subject_id.replace("\0", "")}
    found = _known(row(connection, "tests/subject", asked))
    return page(
        request,
        person,
        "subject.html",
        result=found,
        api_calls=filled_in(_needed(found), _names(found)),
        history=rows(connection, "tests/subject_history", {**asked, "limit": INTERVALS_SHOWN}),
        most_intervals=INTERVALS_SHOWN,
        may_decide=may_decide,
        **_ways_to_settle(test_id),
    )


def _needed(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The calls of the remedy; of protections only those for what is missing."""
    missing = found["detail"].get("missing")
    return [call for call in found["api_calls"] or () if not missing or call["body"].get("kind") in missing]


def _names(found: dict[str, Any]) -> dict[str, Any]:
    """What stands in braces in the calls of a remedy: the subject's names and the thresholds of the policy."""
    names = {name: found[name] for name in ("workspace", "repo_slug")}
    return {**(found["thresholds"] or {}), **names, "main_branch": found["detail"].get("main_branch")}


def _ways_to_settle(test_id: str) -> dict[str, bool]:
    """What settles a verdict of the test besides mending it in Bitbucket, by names that the templates use."""
    test = BY_ID.get(test_id)
    return {
        "by_evidence": test is not None and test.manual,
        "takes_evidence": test is not None and not test.manual and "evidence_accepted" in test.reasons,
        "by_classification": test is not None and test.subject_type == "repository" and "registry" in test.bases,
    }


def _known(found: dict[str, Any] | None) -> dict[str, Any]:
    if found is None:
        raise HTTPException(404, detail="this workspace has no such test or subject")
    return found
