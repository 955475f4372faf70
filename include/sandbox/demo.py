"""The demo workspace: 40 repositories and 25 members that show every verdict at least once.

Nobody in it is real. Identifiers are fixed; dates count from 00:00 UTC of the day the server starts, so
what it shows does not depend on when it runs. Two tables say what stands where: :data:`REPOSITORIES` and
:data:`MEMBERS`. The declared data that belongs to it (roster, classification, MFA export) lies in
``demo_data/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from sandbox.build import Pulls, Rules, app_user, midnight, person, runs, uuid_of
from sandbox.demo_histories import HISTORIES, Desk
from sandbox.demo_rules import MODELS, RULES
from sandbox.model import Account, Member, Permission, Project, Repository, Workspace
from sandbox.state import SandboxState

SLUG = "demo-workspace"
DATA = Path(__file__).parent / "demo_data"
ROSTER, CLASSIFICATION, MFA_EXPORT = DATA / "roster.csv", DATA / "classification.csv", DATA / "mfa_export.csv"
PROJECTS = {"CORE": "Core services", "PLAT": "Platform", "LABS": "Labs", "MISC": "Everything else"}


@dataclass(frozen=True)
class DemoMember:
    """A row of the member table; ``email`` is what Bitbucket knows, never what it shows by itself."""

    nickname: str
    display_name: str
    email: str | None
    role: Literal["owner", "member"] = "member"
    app: bool = False


@dataclass(frozen=True)
class DemoRepository:
    """A row of the repository table.

    ``rules`` names an entry of ``demo_rules.RULES``, ``history`` one of ``demo_histories.HISTORIES``;
    ``pipelines`` is the configuration, ``runs`` whether there is a run within 90 days, only an older one,
    or none; ``permission`` is what the demo's identity may do; nobody ever pushed to an ``empty`` one.
    """

    slug: str
    project: str
    rules: str
    history: str
    main: str | None = "main"
    pipelines: Literal["on", "off", "never"] = "on"
    runs: Literal["recent", "old", "none"] = "recent"
    permission: Permission = "admin"
    private: bool = True
    gone: bool = False
    empty: bool = False
    name: str | None = None
    model: str = "plain"


MEMBERS: tuple[DemoMember, ...] = (
    DemoMember("ada-lindqvist", "Ada Lindqvist", "ada.lindqvist@example.com", "owner"),
    DemoMember("bram-okafor", "Bram Okafor", "bram.okafor@example.com", "owner"),
    DemoMember("chiyo-marsh", "Chiyo Marsh", "chiyo.marsh@example.com", "owner"),
    DemoMember("dario-fenn", "Dario Fenn", "dario.fenn@example.com"),
    DemoMember("elif-castor", "Elif Castor", "elif.castor@example.com"),
    DemoMember("femi-rask", "Femi Rask", "Femi.Rask@example.com"),
    DemoMember("greta-solano", "Greta Solano", "greta.solano@example.com"),
    DemoMember("hugo-binder", "Hugo Binder", "hugo.binder@example.com"),
    DemoMember("ines-vandal", "Ines Vandal", "ines.vandal@example.com"),
    DemoMember("jonas-quill", "Jonas Quill", "jq@example.com"),
    DemoMember("zoe-brandt", "Zo\u00eb Brandt", "zb@example.com"),
    DemoMember("kaya-noor", "Kaya Noor", "kaya.noor@example.com"),
    DemoMember("lars-odden", "Lars Odden", "lars.odden@example.com"),
    DemoMember("mira-tolland", "Mira Tolland", "mira.tolland@example.com"),
    DemoMember("nadia-ohara", "Nadia O'Hara", "nadia.ohara@example.com"),
    DemoMember("oskar-pell", "<b>Oskar</b> Pell", "oskar.pell@example.com"),
    DemoMember("petra-sum", "=SUM(1+1) Petra", "petra.sum@example.com"),
    DemoMember("quentin-reyes", "Quentin \U0001f680 Reyes", "quentin.reyes@example.com"),
    DemoMember("rana-salem", "\u0631\u0646\u0627 \u200f\u0633\u0627\u0644\u0645", "rana.salem@example.com"),
    DemoMember("robert-tables", "Robert'); DROP TABLE members;--", "robert.tables@example.com"),
    DemoMember("sven-utter", "Sven Utter", "sven.utter@example.com"),
    DemoMember("theo-vance", "Theo Vance", None),
    DemoMember("build-bot", "Build Bot", None, app=True),
    DemoMember("release-bot", "Release Bot", None, app=True),
    DemoMember("compliance-connector", "Compliance connector", None, app=True),
)
IDENTITY = "compliance-connector"
#: The project whose rules about merging all of its repositories inherit.
HANDS_DOWN = "MISC"
#: Where a rule asks for the approval of default reviewers, nobody has to approve.
WITHOUT_DEFAULT_REVIEWERS = frozenset({"customer-portal"})

REPOSITORIES: tuple[DemoRepository, ...] = (
    # production by their project
    DemoRepository("billing-api", "CORE", "enforced", "clean"),
    DemoRepository("payments-core", "CORE", "enforced", "failed_and_unreviewed"),
    DemoRepository("ledger", "CORE", "advisory", "clean"),
    DemoRepository("invoice-engine", "CORE", "none", "clean"),
    DemoRepository("customer-portal", "CORE", "no_delete", "failed_build"),
    DemoRepository("pricing", "CORE", "model_production", "clean", model="production_is_main"),
    DemoRepository("catalogue", "CORE", "model_development", "clean", main="trunk"),
    DemoRepository("orders", "CORE", "model_release", "clean", main="release/current", model="prefixes"),
    DemoRepository("shipping", "CORE", "model_production", "unreviewed", model="production_is_live"),
    DemoRepository("inventory", "CORE", "enforced_everywhere", "self_approved"),
    DemoRepository("tax-service", "CORE", "enforced_release", "app_approved", main="release/2026/main"),
    DemoRepository("fraud-check", "CORE", "builds_only", "stopped_build"),
    DemoRepository("identity", "CORE", "review_only", "no_build"),
    DemoRepository("notifications", "CORE", "other_branches", "old_bad_build"),
    DemoRepository("search", "CORE", "value_zero", "deleted_approver"),
    DemoRepository("reporting", "CORE", "unknown_kinds", "not_merged"),
    DemoRepository("gateway", "CORE", "review_group", "mixed_builds", pipelines="off"),
    DemoRepository("audit-log", "CORE", "advisory_elsewhere", "few"),
    DemoRepository("archive-tool", "CORE", "enforced", "none", pipelines="never", runs="none"),
    DemoRepository("scheduler", "CORE", "literal_glob", "few_bad", pipelines="off", runs="old"),
    DemoRepository("webhooks-relay", "CORE", "model_production", "running_build", pipelines="never"),
    DemoRepository("settlement", "CORE", "enforced", "clean", gone=True),
    # production by name; this identity has no admin rights on them
    DemoRepository("cluster-config", "PLAT", "enforced", "clean", permission="write"),
    DemoRepository("terraform-modules", "PLAT", "enforced", "failed_build", permission="write"),
    DemoRepository("base-images", "PLAT", "none", "unreviewed", permission="write"),
    DemoRepository("observability", "PLAT", "none", "self_approved", runs="none", permission="write"),
    DemoRepository("secrets-broker", "PLAT", "none", "old_only", runs="old", permission="write"),
    DemoRepository("edge-proxy", "PLAT", "advisory", "app_approved", permission="write"),
    DemoRepository("dns-zones", "PLAT", "none", "none", runs="none", permission="read", empty=True),
    # names that break careless code
    DemoRepository("legacy-billing-core", "MISC", "enforced", "clean", name="O'Brien's \"quoted\" service"),
    DemoRepository("sql-name", "MISC", "enforced", "clean", name="Robert'); DROP TABLE repositories;--"),
    DemoRepository("html-name", "MISC", "advisory", "clean", name='<script>alert("x")</script>'),
    DemoRepository("formula-name", "MISC", "none", "clean", name='=HYPERLINK("http://example.com","open")'),
    DemoRepository("launch-pad", "LABS", "enforced", "other_branch", name="\U0001f680 Launch pad"),
    DemoRepository(
        "rtl-name", "MISC", "enforced", "clean", private=False, name="\u05e9\u05dc\u05d5\u05dd \u202egnp.exe"
    ),
    # nothing to protect, not production, nobody knows, and one that is public by mistake
    DemoRepository("empty-repo", "CORE", "none", "none", main=None, pipelines="never", runs="none"),
    DemoRepository("playground", "LABS", "none", "none", main=None, pipelines="never", runs="none"),
    DemoRepository("legacy-importer", "MISC", "none", "unreviewed", pipelines="off"),
    DemoRepository("mystery-box", "MISC", "none", "other_branch"),
    DemoRepository("public-website", "MISC", "enforced", "peer_and_self", private=False),
)


def demo_state(today: datetime | None = None) -> SandboxState:
    """The state of a server that holds the demo workspace alone; ``today`` is 00:00 UTC of a day."""
    workspace = demo_workspace(today)
    identity = next(m.account for m in workspace.members if m.account.nickname == IDENTITY)
    return SandboxState([workspace], identity)


def demo_workspace(today: datetime | None = None) -> Workspace:
    """The demo workspace as of a day (00:00 UTC; without one, today)."""
    day = today or midnight()
    accounts = {row.nickname: _account(row) for row in MEMBERS}
    projects = {key: Project(uuid_of("project", key), key, name) for key, name in PROJECTS.items()}
    inherited = Rules(50_000_000)
    RULES["merge_checks"](inherited, accounts)
    projects[HANDS_DOWN].restrictions = inherited.made
    return Workspace(
        uuid=uuid_of("workspace", SLUG),
        slug=SLUG,
        name="Demo workspace",
        created_on=day - timedelta(days=1500),
        members=[Member(accounts[r.nickname], r.role) for r in MEMBERS],
        projects=list(projects.values()),
        repositories=[
            _repository(number, row, projects[row.project], accounts, day) for number, row in enumerate(REPOSITORIES)
        ],
    )


def _account(row: DemoMember) -> Account:
    if row.app:
        return app_user(row.nickname, row.display_name)
    return person(row.nickname, row.display_name, row.email)


def _repository(
    number: int, row: DemoRepository, project: Project, accounts: dict[str, Account], day: datetime
) -> Repository:
    author, peer, other, app = (accounts[n] for n in ("mira-tolland", "nadia-ohara", "sven-utter", "build-bot"))
    main = row.main or "main"
    desk = Desk(Pulls(row.slug, day), author, peer, other, app, main)
    HISTORIES[row.history](desk)
    rules = Rules(40_000_000 + number * 100)
    RULES[row.rules](rules, accounts)
    ages = {"recent": (2, 9, 30, 120), "old": (120, 200), "none": ()}[row.runs]
    return Repository(
        uuid=uuid_of("repository", row.slug),
        slug=row.slug,
        name=row.name or row.slug,
        project=project,
        created_on=day - timedelta(days=900 - number),
        updated_on=day - timedelta(days=1 + number % 7),
        is_private=row.private,
        description="" if row.history == "none" else f"Demo repository {number + 1}",
        language=("python", "typescript", "go", "")[number % 4],
        size=0 if row.empty or row.main is None else 1024 * (number + 1),
        mainbranch=row.main,
        identity_permission=row.permission,
        gone=row.gone,
        restrictions=rules.made,
        branching_model=MODELS[row.model](),
        pull_requests=desk.pulls.made,
        pipelines=runs(row.slug, day, ages, creator=author, branch=main),
        pipelines_enabled={"on": True, "off": False, "never": None}[row.pipelines],
        member_permissions=_permissions(number, accounts),
        default_reviewers=[] if row.slug in WITHOUT_DEFAULT_REVIEWERS else [peer],
    )


def _permissions(number: int, accounts: dict[str, Account]) -> dict[str, Permission]:
    """Owners administer everything; every fifth person can write, the next one read."""
    people = [a for a in accounts.values() if a.type == "user"]
    levels: dict[str, Permission] = {p.uuid: "admin" for p in people[:3]}
    for place, one in enumerate(people[3:]):
        if (place + number) % 5 == 0:
            levels[one.uuid] = "write"
        elif (place + number) % 5 == 1:
            levels[one.uuid] = "read"
    return levels
