"""A small workspace of one's own, and runs of it step by step, for tests about single faults and changes."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from bitbucket_compliance.tasks import bitbucket_compliance as tasks
from sandbox.build import Pulls, Rules, app_user, midnight, person, runs, uuid_of
from sandbox.model import Account, Member, Project, Repository, Workspace
from sandbox.process import SandboxServer
from sandbox.state import SandboxState
from tests.harness import Pipeline

ACME = "acme"
FAST: dict[str, object] = {"retry_wait": 0.001, "rate_limit_wait": 0.01, "retry_attempts": 3}
_numbers = itertools.count(1)

PROTECTING = ("push", "force", "delete", "enforce_merge_checks")


def people(count: int = 4) -> list[Account]:
    """So many persons, always the same."""
    return [person(f"person-{n}", f"Person {n}", f"person-{n}@example.com") for n in range(count)]


def protect(repository: Repository, first_id: int = 1, branch: str = "main") -> None:
    """Give a repository every rule that tests 4 to 6 ask for."""
    rules = Rules(first_id)
    rules.glob(branch, *PROTECTING)
    rules.glob(branch, "require_passing_builds_to_merge", "require_approvals_to_merge", value=1)
    repository.restrictions = rules.made


def repository(
    slug: str, crew: Sequence[Account], *, merged: int = 3, name: str | None = None, number: int = 0
) -> Repository:
    """A protected repository with clean merges and a recent pipeline run."""
    day = midnight()
    pulls = Pulls(slug, day)
    for age in range(merged, 0, -1):
        pulls.add(age=age, author=crew[0], approved_by=[crew[1]])
    made = Repository(
        uuid=uuid_of(ACME, slug),
        slug=slug,
        name=name or slug,
        project=Project(uuid_of(ACME, "project"), "ACM", "Acme"),
        created_on=day - timedelta(days=500),
        updated_on=day - timedelta(days=2),
        pull_requests=pulls.made,
        pipelines=runs(slug, day, (1, 5), creator=crew[0]),
    )
    protect(made, 1000 * (number + 1))
    return made


def small_state(repositories: int = 4, members: int = 4, slug: str = ACME) -> SandboxState:
    """A workspace whose repositories ``repo-0`` … pass every test that rules decide."""
    crew = people(max(members, 2))
    workspace = Workspace(
        uuid=uuid_of("workspace", slug),
        slug=slug,
        name="Acme",
        created_on=midnight() - timedelta(days=1000),
        members=[Member(one, "owner" if n == 0 else "member") for n, one in enumerate(crew[:members])],
        repositories=[repository(f"repo-{n}", crew, number=n) for n in range(repositories)],
    )
    return SandboxState([workspace], app_user("acme-app", "Acme integration"))


def start(workspace: str = ACME, *, full_refresh: bool = False) -> str:
    """Start a run; returns its id."""
    run_id = f"small-{next(_numbers)}"
    tasks.start_run(workspace, run_id, full_refresh)
    return run_id


def read(run_id: str, workspace: str = ACME) -> list[int]:
    """Preflight, list, plan and read; returns the chunks."""
    tasks.preflight(workspace, run_id)
    tasks.list_workspace(workspace, run_id)
    chunks = tasks.plan_reading(workspace, run_id)
    for chunk in chunks:
        tasks.read_chunk(workspace, run_id, chunk)
    return chunks


def extract(workspace: str = ACME, **options: bool) -> str:
    """Start, read and stage; returns the run's id."""
    run_id = start(workspace, **options)
    read(run_id, workspace)
    tasks.stage(workspace, run_id)
    return run_id


def whole_run(
    pipeline: Pipeline,
    server: SandboxServer,
    *,
    workspace: str = ACME,
    grant: str = "admin",
    before_publish: Callable[[str], None] | None = None,
    full_refresh: bool = False,
    touched: bool = True,
    **extra: object,
) -> str:
    """A run without gates, its connection patient for milliseconds only; ``extra`` goes to the connection.

    Every repository counts as touched since the last run, so that all are read, unless ``touched`` is false.
    """
    if touched:
        touch(server)
    pipeline.connect_to(server, grant, **{**FAST, **extra})
    try:
        run_id = extract(workspace, full_refresh=full_refresh)
        pipeline.judge(run_id, workspace)
        if before_publish:
            before_publish(run_id)
        tasks.publish(workspace, run_id)
    finally:
        pipeline.release(workspace)
    return run_id


def touch(server: SandboxServer, *slugs: str) -> None:
    """Let Bitbucket say that repositories (all, where none is named) were updated a second later than before."""
    for workspace in server.state.workspaces:
        for one in workspace.repositories:
            if not slugs or one.slug in slugs:
                one.updated_on += timedelta(seconds=1)


def statuses(pipeline: Pipeline, subject: str | None = None, workspace: str = ACME) -> dict[Any, str]:
    """Published status by (test, subject's name), or by test for one subject."""
    found = {key: verdict[0] for key, verdict in pipeline.verdicts(workspace).items()}
    if subject is None:
        return found
    return {test: status for (test, name), status in found.items() if name == subject}


def results(pipeline: Pipeline) -> list[dict[str, Any]]:
    """All that is published of results, in a fixed order, without what depends on the clock of the reader."""
    return pipeline.query("SELECT * FROM compliance.current_results ORDER BY workspace, test_id, subject_id")


def history(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The whole history in order."""
    return pipeline.query("SELECT * FROM compliance.result_history ORDER BY workspace, test_id, subject_id, valid_from")


def write_csv(path: Path, header: str, rows: Iterable[Sequence[object]]) -> Path:
    """A declared file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path
