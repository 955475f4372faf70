"""Runs: what was read, what it cost, what the gates said, and where to look further."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import HTMLResponse, Response

from bitbucket_compliance.pipeline.gate.data_docs import LOCAL, base_address
from compliance_console_app.database import Database, row, rows
from compliance_console_app.permissions import DAG_ID, Reader
from compliance_console_app.services.workspaces import Selected
from compliance_console_app.web import csv_answer
from compliance_console_app.web.listing import Listing, PageNumber
from compliance_console_app.web.pages import page

router = APIRouter()

# The page brings its styles along and needs nothing else; in the sandbox it can't reach ours.
DOCS_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; form-action 'none'"


@router.get("/runs")
def runs(
    request: Request,
    person: Reader,
    connection: Database,
    selection: Selected,
    number: PageNumber = 1,
    form: csv_answer.Form = "",
) -> Response:
    """A page of the workspace's runs."""
    listing = Listing("runs", {}, number=number)
    if form == "csv":
        everything = replace(listing, number=1, size=None).parameters
        found = rows(connection, "runs/list", {"workspace": selection.name, **everything})
        return csv_answer.csv_answer("runs", selection.name, found)
    found = rows(connection, "runs/list", {"workspace": selection.name, **listing.parameters})
    return page(request, person, "runs.html", runs=found, listing=listing.of(found))


@router.get("/runs/{run_id}")
def run(request: Request, person: Reader, connection: Database, selection: Selected, run_id: str) -> HTMLResponse:
    """One run: coverage, requests, quality."""
    found = _known(connection, selection.name, run_id)
    docs = [(gate, address, _local_page(address) is not None) for gate, address in (found["data_docs"] or {}).items()]
    return page(
        request,
        person,
        "run.html",
        run=found,
        coverage=_coverage(found["coverage"] or {}),
        docs=docs,
        airflow_run=f"dags/{DAG_ID}/runs/{quote(run_id, safe='')}",
    )


@router.get("/runs/{run_id}/quality/{gate}")
def quality(person: Reader, connection: Database, selection: Selected, run_id: str, gate: str) -> HTMLResponse:
    """The page of a gate, from the folder that the pipeline keeps them in and from nowhere else."""
    found = _known(connection, selection.name, run_id)
    kept = _local_page((found["data_docs"] or {}).get(gate, ""))
    if kept is None:
        raise HTTPException(404, detail="the page of this gate is not kept here")
    return HTMLResponse(kept.read_text(encoding="utf-8"), headers={"Content-Security-Policy": DOCS_POLICY})


def _known(connection: Database, workspace: str, run_id: str) -> dict[str, Any]:
    found = row(connection, "runs/one", {"workspace": workspace, "run_id": run_id.replace("\0", "")})
    if found is None:
        raise HTTPException(404, detail="this workspace has no such run")
    return found


def _local_page(address: str) -> Path | None:
    base = base_address()
    if not address.startswith(LOCAL) or "://" in base.removeprefix(LOCAL):
        return None
    folder = Path(base.removeprefix(LOCAL)).resolve()
    kept = Path(address.removeprefix(LOCAL)).resolve()
    return kept if kept.is_relative_to(folder) and kept.suffix == ".html" and kept.is_file() else None


def _coverage(coverage: dict[str, dict[str, int]]) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """By resource: how many calls were answered, and the other outcomes with their counts."""
    return [
        (resource, outcomes.get("ok", 0), sorted((name, count) for name, count in outcomes.items() if name != "ok"))
        for resource, outcomes in sorted(coverage.items())
    ]
