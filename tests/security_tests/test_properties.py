"""What holds for any input: the matching rules and the verdicts in Python against definitions written down anew."""

from __future__ import annotations

import itertools
import json
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from bitbucket_compliance.pipeline.fill import fill
from bitbucket_compliance.security_tests import BY_ID
from tests.conftest import Database
from tests.examples import examples
from tests.security_tests.builders import NOW, TODAY, UNREADABLE, Repository, World, days_ago, identity

quick = settings(
    max_examples=examples(60),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WORKSPACE = "properties"


@pytest.fixture(scope="module")
def connection(shared_dsn: str) -> Iterator[Database]:
    """One connection for the module; every example is rolled back."""
    with psycopg.connect(shared_dsn, row_factory=dict_row) as opened:
        yield opened


# ---------------------------------------------------------------------- globs

# The letters that LIKE and regular expressions take for theirs come often; now and then any letter that Postgres can
# store: no NUL, no lone surrogates.
special = st.sampled_from("ab/%_\\*\n.?[")
anything = st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00")
branches = st.text(st.one_of(special, special, special, anything), max_size=6)
# A pattern is a branch of which some letters turned into stars or into others: near enough to match often.
edits = st.lists(st.sampled_from(["keep", "keep", "keep", "star", "drop", "other"]), min_size=6, max_size=6)


@st.composite
def pattern_and_branch(draw: st.DrawFn) -> tuple[str, str]:
    branch = draw(branches)
    letters = {"keep": lambda old: old, "star": lambda _: "*", "drop": lambda _: "", "other": lambda _: draw(special)}
    pattern = "".join(letters[edit](old) for edit, old in zip(draw(edits), branch, strict=False))
    return pattern + draw(st.sampled_from(["", "", "*", "%"])), branch


def glob_matches(pattern: str, branch: str) -> bool:
    """Only ``*`` is special: any characters, none included."""

    @cache
    def rest(p: int, b: int) -> bool:
        if p == len(pattern):
            return b == len(branch)
        if pattern[p] == "*":
            return rest(p + 1, b) or (b < len(branch) and rest(p, b + 1))
        return b < len(branch) and pattern[p] == branch[b] and rest(p + 1, b + 1)

    return rest(0, 0)


@quick
@given(st.lists(pattern_and_branch(), min_size=15, max_size=30))
def test_globs_match_as_defined(connection: Database, pairs: list[tuple[str, str]]) -> None:
    pairs = [*pairs, *((branch, branch) for _, branch in pairs)]
    rows = connection.execute(
        "SELECT staging.glob_matches(pairs.pattern, pairs.branch) AS matches"
        " FROM unnest(%s::text [], %s::text []) WITH ORDINALITY AS pairs (pattern, branch, position)"
        " ORDER BY pairs.position",
        ([pattern for pattern, _ in pairs], [branch for _, branch in pairs]),
    ).fetchall()
    connection.rollback()
    assert [row["matches"] for row in rows] == [glob_matches(*pair) for pair in pairs]


# ----------------------------------------------------------- branching models

# Drawn with Python's random numbers, seeded by hypothesis: lists of nested choices come out too simple otherwise.

MAIN_BRANCHES = ["main", "develop", "release/1", "rel", "main%", "r_l", None]
PREFIXES = ["rel", "release/", "m", "in", "%", "_", "", "r%", "m_i", None]
Model = dict[str, Any]


def some_keys(random: Random, **values: Any) -> Model:
    """Bitbucket leaves keys out: so do we, now and then."""
    return {key: value for key, value in values.items() if random.random() < 0.9}


def any_model(random: Random) -> Model | None:
    def side() -> Model | None:
        named = some_keys(
            random, name=random.choice([*MAIN_BRANCHES, ""]), use_mainbranch=random.choice([True, False, False, None])
        )
        return random.choice([named, named, named, None])

    kinds = [
        some_keys(random, kind=random.choice(["feature", "release"]), prefix=random.choice(PREFIXES))
        for _ in range(random.randrange(4))
    ]
    model = some_keys(
        random, production=side(), development=side(), branch_types=random.choice([kinds, kinds, kinds, None])
    )
    return random.choice([model, model, model, None])


def any_rule(random: Random) -> Model:
    if random.random() < 0.2:
        return {"branch_match_kind": "glob", "pattern": random.choice(["", "*", "m*", "main", "rel*", "%", "r_l"])}
    branch_type = random.choice(["production", "development", "feature", "release", "bugfix", "novelty", None])
    return {"branch_match_kind": "branching_model", "pattern": "", "branch_type": branch_type}


def rule_matches(rule: dict[str, Any], main_branch: str | None, model: dict[str, Any] | None) -> bool | None:
    """Whether a rule applies to the main branch; None: that depends on a branching model nobody read."""
    if main_branch is None:
        return False
    if rule["branch_match_kind"] == "glob":
        return glob_matches(rule["pattern"], main_branch)
    if model is None:
        return None
    wanted = rule["branch_type"]
    if wanted is None:  # not told: it stands for no branch type, also not for one that was not told either
        return False
    if wanted in ("production", "development"):
        side = model.get(wanted) or {}
        return bool(side.get("use_mainbranch")) or side.get("name") == main_branch
    prefixes = [kind.get("prefix") for kind in model.get("branch_types") or [] if kind.get("kind") == wanted]
    return any(prefix and main_branch.startswith(prefix) for prefix in prefixes)


@settings(quick, max_examples=10)
@given(st.randoms(use_true_random=True))
def test_branching_model_and_glob_rules_match_as_defined(connection: Database, random: Random) -> None:
    cases = [(random.choice(MAIN_BRANCHES), any_model(random), any_rule(random)) for _ in range(80)]
    for number, (main_branch, model, rule) in enumerate(cases):
        repository_id = identity(f"case {number}")
        connection.execute(
            "INSERT INTO staging.repositories (workspace, repository_id, slug, main_branch, data_as_of)"
            " VALUES (%s, %s, %s, %s, %s)",
            (WORKSPACE, repository_id, f"case-{number:02}", main_branch, NOW),
        )
        landed = {"branch_restrictions": ("1", {"id": 1, "kind": "push", "value": None, **rule})}
        if model is not None:
            landed["effective_branching_model"] = ("", model)
        for resource, (key, body) in landed.items():
            connection.execute(
                "INSERT INTO landing.objects (workspace, resource, object_key, repository_id, body_hash, body,"
                " first_fetched_at, fetched_at, run_id) VALUES (%s, %s, %s, %s, 'h', %s, %s, %s, 'r')",
                (WORKSPACE, resource, repository_id + key, repository_id, json.dumps(body), NOW, NOW),
            )
            connection.execute(
                "INSERT INTO landing.calls (workspace, run_id, resource, repository_id, outcome, fetched_at)"
                " VALUES (%s, 'r', %s, %s, 'ok', %s)",
                (WORKSPACE, resource, repository_id, NOW),
            )
    for name in ("coverage", "branching_models", "branch_restrictions"):
        keys = {"workspace": WORKSPACE, "run_id": "r", "in_place_of_listing": ""}
        fill(connection, f"staging.{name}", f"pipeline/stage/{name}.sql", keys)
    rows = connection.execute(
        "SELECT repositories.slug, rules.matches_main_branch FROM staging.branch_restrictions AS rules"
        " INNER JOIN staging.repositories AS repositories USING (workspace, repository_id)"
        " WHERE workspace = %s ORDER BY repositories.slug",
        (WORKSPACE,),
    ).fetchall()
    connection.rollback()
    expected = [rule_matches(rule, main_branch, model) for main_branch, model, rule in cases]
    assert [row["matches_main_branch"] for row in rows] == expected


# -------------------------------------------------------------- classification

slugs = st.sampled_from(["pay", "pay-core", "legacy-pay", "Legacy-Pay", "x_y", "x-y", "100%"])
keys = st.none() | st.sampled_from(["CORE", "Ops", "pay"])
entries = st.lists(
    st.tuples(
        st.none() | st.sampled_from([WORKSPACE, "elsewhere"]),
        st.one_of(
            st.tuples(st.just("repository"), st.sampled_from(["pay", "pay-core", "legacy-pay", identity("0"), "core"])),
            st.tuples(st.just("project"), st.sampled_from(["core", "ops", "pay", "nowhere"])),
            st.tuples(
                st.just("pattern"),
                st.sampled_from(["*", "pay*", "*pay", "*pay*", "legacy-*", "x_y", "**", "100%", "%", "pay-core"]),
            ),
        ),
    ),
    max_size=8,
)


def best_entries(
    declared: list[tuple[str | None, tuple[str, str]]], repository_id: str, slug: str, project: str | None
) -> set[int]:
    """Positions of the entries that may decide; more than one only where two say equally much."""

    def rank(entry: tuple[str | None, tuple[str, str]]) -> tuple[int, int, bool, bool] | None:
        workspace, (target_type, target) = entry
        if workspace not in (None, WORKSPACE):
            return None
        applies = {
            "repository": target in (slug.lower(), repository_id),
            "project": project is not None and target == project.lower(),
            "pattern": glob_matches(target, slug.lower()),
        }[target_type]
        literals = sum(letter != "*" for letter in target) if target_type == "pattern" else 0
        level = ("pattern", "project", "repository").index(target_type)
        return (level, literals, workspace is not None, target.startswith("{")) if applies else None

    in_force = {entry: position for position, entry in enumerate(declared)}  # a later entry replaces an earlier one
    ranked = {position: rank(entry) for entry, position in in_force.items()}
    best = max((found for found in ranked.values() if found), default=None)
    return {position for position, found in ranked.items() if found and found == best}


@quick
@given(st.lists(st.tuples(slugs, keys), min_size=1, max_size=6), entries)
def test_classification_precedence_is_as_defined(
    connection: Database,
    repositories: list[tuple[str, str | None]],
    declared: list[tuple[str | None, tuple[str, str]]],
) -> None:
    for number, (slug, project) in enumerate(repositories):
        connection.execute(
            "INSERT INTO staging.repositories (workspace, repository_id, slug, project_key, data_as_of)"
            " VALUES (%s, %s, %s, %s, %s)",
            (WORKSPACE, identity(str(number)), slug, project, NOW),
        )
    for position, (workspace, (target_type, target)) in enumerate(declared):
        connection.execute(
            "INSERT INTO registry.classification (workspace, target_type, target, classification, owner, declared_by)"
            " VALUES (%s, %s, %s, 'production', %s, 'tester')",
            (workspace, target_type, target, str(position)),
        )
    rows = connection.execute(
        "SELECT repository_id, owner FROM registry.repository_classification WHERE workspace = %s", (WORKSPACE,)
    ).fetchall()
    connection.rollback()
    found = {row["repository_id"]: int(row["owner"]) for row in rows}
    assert len(found) == len(rows)
    for number, (slug, project) in enumerate(repositories):
        best = best_entries(declared, identity(str(number)), slug, project)
        assert found.get(identity(str(number))) in (best or {None})


# ------------------------------------------------------------ members in Python

MEMBER_NAMES = ["Ada", "ADA", "Zoë", "Zoe\u0308", "Ａda", "Bo  Li", "bo li", "", None, "Groß", "gross"]
ACCOUNT_IDS = ["1", "2", "3", None]
EMAILS = ["a@x", "b@x", "c@x", None]
LOOKUPS = [None, "ok", "failed", "not_found", "scope_missing", "permission_missing"]
LOOKUP_CODES = {
    "failed": "extract_failed",
    "not_found": "extract_failed",
    "scope_missing": "scope_missing",
    "permission_missing": "permission_missing",
}
SAID = {
    "on": "mfa_enabled",
    "off": "mfa_disabled",
    "single_sign_on": "mfa_at_identity_provider",
    "deactivated": "account_deactivated",
}
STATUS_OF = {
    "app_user": "not_applicable",
    "account_deactivated": "not_applicable",
    "on_roster": "passing",
    "mfa_enabled": "passing",
    "offboarded": "failing",
    "mfa_disabled": "failing",
    "extract_failed": "error",
}

MemberRow = tuple[str | None, str | None, str]
RosterRow = tuple[str | None, str | None, str, date | None, str | None]
SAYS = ("on", "on", "off", "off", "single_sign_on", "deactivated", "unclear")
ExportRow = tuple[str | None, str | None, str]


def any_members(random: Random) -> list[MemberRow]:
    return [
        (random.choice(ACCOUNT_IDS), random.choice(MEMBER_NAMES), random.choice(["user"] * 5 + ["app_user"]))
        for _ in range(3)
    ]


def any_confirmed(random: Random) -> set[tuple[str, int]]:
    return {(random.choice(["a@x", "b@x", "c@x"]), random.randrange(3)) for _ in range(random.randrange(4))}


def any_roster(random: Random) -> list[RosterRow]:
    def row() -> RosterRow:
        end_date = random.choice([None, TODAY + timedelta(days=random.randint(-3, 2))])
        status = random.choice(["active", "on_leave", "terminated", "terminated", "terminated"])
        return random.choice(EMAILS), random.choice(MEMBER_NAMES), status, end_date, random.choice(ACCOUNT_IDS)

    return [row() for _ in range(random.choice([0, 1, 2, 2, 3, 3, 4]))]


def any_evidence(random: Random) -> list[tuple[int, list[ExportRow]]]:
    """Exports with how many days from today they were captured."""

    def row() -> ExportRow:
        return random.choice(EMAILS), random.choice(ACCOUNT_IDS), random.choice(SAYS)

    offsets = random.sample(range(-4, 2), random.randrange(4))
    return [(offset, [row() for _ in range(random.randint(1, 4))]) for offset in offsets]


def frame(rows: list[tuple[Any, ...]], *columns: str) -> Any:
    import pandas as pd

    return pd.DataFrame([list(row) for row in rows], columns=list(columns), dtype=object)


def members_frame(rows: list[MemberRow]) -> Any:
    return frame(
        [(f"m{number}", *row, NOW) for number, row in enumerate(rows)],
        "member_id", "account_id", "display_name", "member_type", "data_as_of",
    )  # fmt: skip


def same_name(one: str | None, other: str | None) -> bool:
    def plain(name: str | None) -> list[str]:
        return unicodedata.normalize("NFKC", name or "").casefold().split()

    return plain(one) == plain(other) != []


def is_member(
    number: int, account_id: str | None, email: str | None, their_id: str | None, confirmed: set[tuple[str, int]]
) -> bool:
    return (account_id is not None and account_id == their_id) or (email, number) in confirmed


def members_of_row(
    members: list[MemberRow], email: str | None, their_id: str | None, confirmed: set[tuple[str, int]]
) -> list[int]:
    """The numbers of the members that a row of a list points at."""
    return [n for n, member in enumerate(members) if is_member(n, member[0], email, their_id, confirmed)]


seeded = settings(quick, max_examples=examples(150))


@pytest.mark.slow
@seeded
@given(st.randoms(use_true_random=True))
def test_left_over_access_is_judged_as_defined(random: Random) -> None:
    members, confirmed, roster = any_members(random), any_confirmed(random), any_roster(random)
    lookup, grace = random.choice(LOOKUPS), random.randrange(3)
    age = random.choice([0, 0, 1, 6, 7, 8])
    from bitbucket_compliance.security_tests.offboarded_access_removed.verdict import decide

    known_addresses = {email for email, _ in confirmed}
    open_addresses = {row[0] for row in roster if row[0]} - known_addresses

    def expected(number: int, account_id: str | None, name: str | None, kind: str) -> str:
        if kind == "app_user":
            return "app_user"
        if not roster:
            return "no_roster"
        if age > 7:
            return "stale_roster"
        pointed = [(row, members_of_row(members, row[0], row[4], confirmed)) for row in roster]
        theirs = [row for row, at in pointed if at == [number]]
        gone = [row[2] == "terminated" and (row[3] is None or row[3] < TODAY - timedelta(days=grace)) for row in theirs]
        if not all(gone):
            return "on_roster"
        shared = any(number in at and at != [number] for _, at in pointed)
        unfinished = LOOKUP_CODES.get(lookup or "") if open_addresses else None
        found_by_id = any(account_id is not None and row[4] == account_id for row in theirs)
        if theirs and (unfinished is None or found_by_id):
            return "offboarded"
        if unfinished and not shared:
            return unfinished
        return "ambiguous_match" if shared or any(same_name(name, row[1]) for row in roster) else "not_on_roster"

    verdicts = decide(
        members=members_frame(members),
        emails=frame([(email, f"m{number}") for email, number in sorted(confirmed)], "email", "member_id"),
        roster=frame(
            [(line, *row, NOW - timedelta(days=age)) for line, row in enumerate(roster, start=2)],
            "line", "email", "name", "status", "end_date", "account_id", "imported_at",
        ),
        lookup=lookup,
        as_of=NOW,
        today=TODAY,
        grace_days=grace,
        max_age_days=7,
    )  # fmt: skip
    codes = [expected(number, *member) for number, member in enumerate(members)]
    assert list(verdicts.subject_id) == [f"m{number}" for number in range(len(members))]
    assert list(verdicts.reason_code) == codes
    reasons = BY_ID["offboarded_access_removed"].reasons
    assert [reasons[code].status for code in codes] == [STATUS_OF.get(code, "pending") for code in codes]


ROSTERS = ("employees", "contractors", "interns")


@pytest.mark.slow
@seeded
@given(st.randoms(use_true_random=True))
def test_nobody_passes_or_fails_by_a_roster_that_may_not_decide(random: Random) -> None:
    from bitbucket_compliance.security_tests.offboarded_access_removed.verdict import decide

    members, confirmed, lookup = any_members(random), any_confirmed(random), random.choice(LOOKUPS)
    rosters = {name: any_roster(random) for name in ROSTERS}
    refused = {name: random.choice([[], [], any_roster(random)[:1]]) for name, rows in rosters.items() if rows}
    ages = {name: random.choice([0, 0, 0, 8]) for name in ROSTERS}
    precedence = random.sample(ROSTERS, random.randrange(4))
    rank = {name: precedence.index(name) if name in precedence else len(precedence) for name in ROSTERS}
    columns = (
        "line",
        "email",
        "name",
        "status",
        "end_date",
        "account_id",
        "imported_at",
        "roster_name",
        "other_emails",
    )
    tables = [
        frame(
            [
                (line, *row, NOW - timedelta(days=ages[name]), name, [])
                for name, rows in rows_of.items()
                for line, row in enumerate(rows, start=first)
            ],
            *columns,
        )
        for rows_of, first in ((rosters, 2), (refused, 50))
    ]
    verdicts = decide(
        members=members_frame(members),
        emails=frame([(email, f"m{number}") for email, number in sorted(confirmed)], "email", "member_id"),
        roster=tables[0],
        refused=tables[1].drop(columns=["status", "end_date"]),
        lookup=lookup,
        as_of=NOW,
        today=TODAY,
        grace_days=0,
        max_age_days=7,
        precedence=precedence,
    )
    is_unresolved = lookup in LOOKUP_CODES and bool(
        {row[0] for rows in rosters.values() for row in rows if row[0]} - {email for email, _ in confirmed}
    )
    for number, code in enumerate(verdicts.reason_code):
        says: dict[str, list[bool]] = {}
        for name, rows in rosters.items():
            for row in rows:
                if members_of_row(members, row[0], row[4], confirmed) == [number]:
                    is_gone = row[2] == "terminated" and (row[3] is None or row[3] < TODAY)
                    says.setdefault(name, []).append(is_gone)
        spoiled = {
            name
            for name, rows in refused.items()
            for row in rows
            if number in members_of_row(members, row[0], row[4], confirmed)
            or (row[0] is row[4] is None and same_name(row[1], members[number][1]))
        }
        if code not in ("on_roster", "offboarded"):
            continue
        first = min(rank[name] for name in says)
        deciding = {name: all(gone) for name, gone in says.items() if rank[name] == first}
        assert all(ages[name] <= 7 for name in deciding)
        assert set(deciding.values()) == {code == "offboarded"}
        assert not spoiled if code == "on_roster" else not any(rank[name] <= first for name in spoiled)
        unseen = [name for name in ROSTERS if rosters[name] and name not in deciding and rank[name] <= first]
        assert not (is_unresolved and unseen)


@pytest.mark.slow
@seeded
@given(st.randoms(use_true_random=True))
def test_two_step_verification_is_judged_as_defined(random: Random) -> None:
    members, confirmed, evidence = any_members(random), any_confirmed(random), any_evidence(random)
    lookup, validity = random.choice(LOOKUPS), random.randint(1, 4)
    from bitbucket_compliance.security_tests.user_mfa_enabled.verdict import decide

    newest_first = sorted(evidence, key=lambda export: -export[0])
    known_addresses = {email for email, _ in confirmed}
    valid = [export for export in newest_first if -validity < export[0] <= 0]
    open_addresses = {row[0] for _, rows in valid for row in rows if row[0]} - known_addresses

    def expected(number: int, account_id: str | None, _: str | None, kind: str) -> str:
        if kind == "app_user":
            return "app_user"

        def answers(rows: list[ExportRow]) -> set[str]:
            """What the rows that point at the member say; of one that points at others too nobody can tell."""
            named = [(members_of_row(members, email, row_id, confirmed), says) for email, row_id, says in rows]
            return {says if at == [number] else "whose?" for at, says in named if number in at}

        covering = [answers(rows) for _, rows in valid if answers(rows)]
        if covering:
            said = covering[0]
            if said - {"whose?"} == {"off"}:
                return "mfa_disabled"
            return SAID.get(said.pop(), "evidence_unclear") if len(said) == 1 else "evidence_unclear"
        if lookup in LOOKUP_CODES and open_addresses:
            return LOOKUP_CODES[lookup]
        expired = any(answers(rows) for offset, rows in evidence if offset <= -validity)
        return "evidence_expired" if expired else "evidence_missing"

    verdicts = decide(
        members=members_frame(members),
        emails=frame([(email, f"m{number}") for email, number in sorted(confirmed)], "email", "member_id"),
        evidence=frame(
            [
                (f"e{offset}", TODAY + timedelta(days=offset), NOW, line, *row)
                for offset, rows in newest_first
                for line, row in enumerate(rows, start=2)
            ],
            "evidence_id", "captured_on", "submitted_at", "line", "email", "account_id", "two_step",
        ),
        lookup=lookup,
        today=TODAY,
        validity_days=validity,
    )  # fmt: skip
    codes = [expected(number, *member) for number, member in enumerate(members)]
    assert list(verdicts.reason_code) == codes
    reasons = BY_ID["user_mfa_enabled"].reasons
    assert [reasons[code].status for code in codes] == [STATUS_OF.get(code, "pending") for code in codes]


# ------------------------------------------------------------------ permissions

MERGE_RULES = ["require_passing_builds_to_merge", "require_approvals_to_merge", "enforce_merge_checks", "push"]


def any_repository(random: Random, slug: str) -> Repository:
    repository = Repository(slug)
    for _ in range(random.randrange(5)):
        repository.rule(
            random.choice(MERGE_RULES), random.choice(["main", "*", "develop"]), value=random.choice([0, 1, 1, 2])
        )
    clean = random.random() < 0.5  # else hardly any repository would be without a single bad merge
    for _ in range(random.randrange(6)):
        repository.merged(
            age=random.uniform(0, 110),
            builds=["SUCCESSFUL"] if clean else random.choice([["SUCCESSFUL"], ["FAILED"], []]),
            approved_by=["bo"] if clean else random.choice([["bo"], ["ada"], []]),
        )
    return repository


_examples = itertools.count(1)
CLEAN = {"merges_had_passing_builds", "merges_had_peer_approval"}


@settings(quick, max_examples=3)
@given(st.randoms(use_true_random=True))
@pytest.mark.parametrize("test_id", ["status_checks_required", "peer_review_required"])
def test_a_lost_permission_never_turns_failing_into_passing_without_evidence_of_behaviour(
    world: World, test_id: str, random: Random
) -> None:
    # Repositories of their own for each example: what was once read as merged is remembered.
    world.repositories[:] = [any_repository(random, f"case-{next(_examples)}") for _ in range(40)]
    before = world.judge(test_id)
    for repository in world.repositories:
        repository.rules_hidden(random.choice(UNREADABLE))
        repository.call("pull_requests", random.choice(["ok", "ok", "ok", *UNREADABLE, "failed"]))
    after = world.judge(test_id)
    turned = [
        repository
        for repository in world.repositories
        if (before[repository.slug]["status"], after[repository.slug]["status"]) == ("failing", "passing")
    ]
    for repository in turned:
        verdict = after[repository.slug]
        assert verdict["basis"] == "behaviour"
        assert verdict["reason_code"] in CLEAN
        assert repository.outcomes["pull_requests"] == "ok"
        inside = [
            body for body in repository.pull_requests if datetime.fromisoformat(body["updated_on"]) >= days_ago(90)
        ]
        assert len(inside) >= 3
        for body in inside:
            approved = any(one["user"]["uuid"] != identity("ada") for one in body["participants"])
            built = repository.builds[body["id"]] == ["SUCCESSFUL"]
            assert approved if test_id == "peer_review_required" else built
