"""The reference workload: what the numbers of the design are measured on.

Each repository has 10 open pull requests, 30 merged within the last 90 days (each approved by a peer, each
with a successful build), 20 merged before, 12 branch restrictions and 40 pipeline runs.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sandbox.build import Pulls, Rules, app_user, midnight, person, runs, uuid_of
from sandbox.model import Account, Member, Project, PullRequest, Repository, Restriction, Workspace
from sandbox.state import SandboxState

SLUG = "reference"
MEMBERS = 50
OPEN, MERGED, OLD, RUNS = 10, 30, 20, 40


def reference_workspace(repositories: int, today: datetime | None = None) -> Workspace:
    """A workspace of so many repositories, all of one shape; dates count from ``today`` (00:00 UTC)."""
    day = today or midnight()
    people = [person(f"member-{n:03d}", f"Member {n:03d}", f"member-{n:03d}@example.com") for n in range(MEMBERS)]
    project = Project(uuid_of(SLUG, "project"), "REF", "Reference")
    return Workspace(
        uuid=uuid_of(SLUG),
        slug=SLUG,
        name="Reference workload",
        created_on=day - timedelta(days=1000),
        members=[Member(p, "owner" if n < 2 else "member") for n, p in enumerate(people)],
        projects=[project],
        repositories=[_repository(number, project, people, day) for number in range(repositories)],
    )


def reference_state(repositories: int) -> SandboxState:
    """The state of a server that holds the reference workload alone."""
    return SandboxState([reference_workspace(repositories)], app_user("reference-app", "Reference integration"))


def _repository(number: int, project: Project, people: list[Account], day: datetime) -> Repository:
    slug = f"service-{number:05d}"
    return Repository(
        uuid=uuid_of(SLUG, slug),
        slug=slug,
        name=f"Service {number:05d}",
        project=project,
        created_on=day - timedelta(days=900),
        updated_on=day - timedelta(days=number % 30),
        size=4096,
        restrictions=_rules(number),
        pull_requests=_pulls(slug, number, people, day),
        pipelines=runs(slug, day, [1 + n for n in range(RUNS)], creator=people[number % MEMBERS]),
        member_permissions={p.uuid: "write" for p in people[:5]},
    )


def _rules(number: int) -> list[Restriction]:
    made = Rules(number * 100)
    made.glob("main", "push", "force", "delete", "restrict_merges", "enforce_merge_checks")
    made.glob("main", "require_passing_builds_to_merge", value=1)
    made.glob("main", "require_approvals_to_merge", value=2)
    made.glob("main", "require_tasks_to_be_completed", "require_no_changes_requested")
    made.glob("release/*", "push", "force", "delete")
    return made.made


def _pulls(slug: str, number: int, people: list[Account], day: datetime) -> list[PullRequest]:
    pulls = Pulls(slug, day)
    ages = [100 + n for n in range(OLD)][::-1] + [2 + 2 * n for n in range(MERGED)][::-1]
    for n, age in enumerate(ages):
        author, peer = people[(number + n) % MEMBERS], people[(number + n + 1) % MEMBERS]
        pulls.add(age=age, author=author, approved_by=[peer])
    for n in range(OPEN):
        pulls.add(age=1 + n / 10, author=people[(number + n) % MEMBERS], state="OPEN", builds=["INPROGRESS"])
    return pulls.made
