"""Findings over random sequences of publications, beside the rules of design.md, section 4, told anew in Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from local.postgres import EmbeddedPostgres
from tests.examples import examples
from tests.pipeline.board import CODES, PEERS, Board, Database, Judged, Row, assert_whole, database_for_boards

pytestmark = pytest.mark.slow

CLASSIFIED = "repo_classified"
REPOSITORIES = ("{a}", "{b}")
STATUSES = ("failing", "failing", "failing", "passing", "pending", "error", "not_applicable")
PUBLICATIONS = 9
# Drawn with Python's random numbers, seeded by hypothesis: its own choices come out too simple.
seeds = st.integers(0, 2**32 - 1).map(Random)

Key = tuple[str, str]


@dataclass
class Expected:
    """A finding as the rules have it."""

    key: Key
    found_at: datetime
    found_basis: str | None
    failed_basis: str | None
    due_at: datetime
    follows: Expected | None
    missed: bool = False
    ended_at: datetime | None = None
    ended_because: str | None = None


@dataclass
class Model:
    """What is found of each subject of each test; ``seen`` are all instants, which grow older with the board."""

    findings: list[Expected] = field(default_factory=list)

    def open(self, key: Key) -> Expected | None:
        return next((one for one in self.findings if one.key == key and one.ended_at is None), None)

    def publish(self, at: datetime, verdicts: dict[Key, Judged], listed: set[str] | None, days: dict[str, int]) -> None:
        for key in [(test, subject) for test in (PEERS, CLASSIFIED) for subject in REPOSITORIES]:
            found = self.open(key)
            if found is not None and listed is not None and key[1] not in listed:
                self._miss(found, at)
            elif key in verdicts:
                self._judge(key, verdicts[key], found, at, days)
            elif found is not None and listed is not None:
                found.missed = False

    def _miss(self, found: Expected, at: datetime) -> None:
        if found.missed:
            found.ended_at, found.ended_because = at, "removed"
        found.missed = True

    def _judge(self, key: Key, verdict: Judged, found: Expected | None, at: datetime, days: dict[str, int]) -> None:
        if found is not None:
            found.missed = False
        if verdict.status == "failing" and found is None:
            earlier = [one for one in self.findings if one.key == key]
            due_at = at + timedelta(days=days[key[0]])
            follows = earlier[-1] if earlier else None
            self.findings.append(Expected(key, at, verdict.basis, verdict.basis, due_at, follows))
        elif verdict.status == "failing" and found is not None:
            if found.failed_basis != "configuration":
                found.failed_basis = verdict.basis
        elif found is not None and _ends(found, verdict):
            found.ended_at = at
            found.ended_because = "fixed" if verdict.status == "passing" else verdict.status

    def age(self, by: timedelta) -> None:
        for one in self.findings:
            one.found_at -= by
            one.due_at -= by
            if one.ended_at is not None:
                one.ended_at -= by


def _ends(found: Expected, verdict: Judged) -> bool:
    is_weaker = found.failed_basis == "configuration" and verdict.basis == "behaviour"
    return verdict.status == "not_applicable" or (verdict.status == "passing" and not is_weaker)


class Machine:
    """Does the same to the pipeline and to the model."""

    def __init__(self, connection: Database, random: Random):
        self.board, self.model, self.random = Board(connection), Model(), random
        self.verdicts: dict[Key, Judged] = {}
        self.shown: list[tuple[datetime, list[tuple[str, ...]]]] = []

    def step(self) -> None:
        random, board = self.random, self.board
        board.with_policy(due_days_high=random.choice([30, 30, 2]), due_days_critical=random.choice([7, 7, 1]))
        board.switch(CLASSIFIED, on=random.random() < 0.8)
        listed = set(REPOSITORIES) if random.random() < 0.7 else {random.choice(REPOSITORIES)}
        is_whole = random.random() < 0.8
        self.verdicts = {key: verdict for key, verdict in self.verdicts.items() if key[1] in listed}
        for key in [(test, subject) for test in (PEERS, CLASSIFIED) for subject in listed]:
            if random.random() < 0.5 or key not in self.verdicts:
                self.verdicts[key] = self._any_verdict()
        asked = {key: verdict for key, verdict in self.verdicts.items() if board.policy.enabled(key[0])}
        board.publish(asked, listed=listed if is_whole else None)
        days = {test: board.policy.time_to_fix(board.policy.tests[test].severity).days for test in (PEERS, CLASSIFIED)}
        self.model.publish(self._published_at(), asked, listed if is_whole else None, days)
        self.check()
        self.shown.append((board.now(), board.shown()))
        self._age(timedelta(days=random.choice([0, 0, 1, 5])))

    def _any_verdict(self) -> Judged:
        status = self.random.choice(STATUSES)
        basis = self.random.choice(["configuration", "behaviour", "evidence"])
        return Judged(status, self.random.choice(["one", "two"]), basis if status in ("passing", "failing") else None)

    def _published_at(self) -> datetime:
        [row] = self.board.query(
            "SELECT max(published_at) AS at FROM integration.publications WHERE workspace = %s", self.board.workspace
        )
        at: datetime = row["at"]
        return at

    def _age(self, by: timedelta) -> None:
        self.board.age(by)
        self.model.age(by)
        self.shown = [(instant - by, state) for instant, state in self.shown]

    def check(self) -> None:
        """Everything that has to hold after a publication."""
        rows, now = self.board.findings(), self.board.now()
        names = {row["finding_id"]: (row["test_id"], row["subject_id"], row["found_at"]) for row in rows}
        assert sorted(map(_told, rows)) == sorted(map(_as_told, self.model.findings))
        for row in rows:
            if row["reopened_as"] is not None:
                assert names[row["reopened_as"]][:2] == (row["test_id"], row["subject_id"])
        followed = {(names[row["finding_id"]], names.get(row["reopened_as"])) for row in rows}
        assert followed == {
            ((*one.key, one.found_at), (*one.follows.key, one.follows.found_at) if one.follows else None)
            for one in self.model.findings
        }
        for row in self.board.query(
            "SELECT * FROM compliance.current_results WHERE workspace = %s", self.board.workspace
        ):
            found = self.model.open((row["test_id"], row["subject_id"]))
            dates = (found.found_at, found.due_at) if found else (None, None)
            assert (row["failing_since"], row["due_at"]) == dates
        self._check_overdue(rows, now)

    def _check_overdue(self, rows: list[Row], now: datetime) -> None:
        for row in rows:
            late = (row["ended_at"] or now) - row["due_at"]
            assert row["overdue"] == (row["ended_at"] is None and late > timedelta(0))
            assert float(row["late_days"]) == pytest.approx(max(late / timedelta(days=1), 0), abs=0.006)
        [summary] = self.board.query(
            "SELECT coalesce(sum(overdue), 0) AS overdue FROM compliance.test_summary WHERE workspace = %s",
            self.board.workspace,
        )
        assert summary["overdue"] == sum(row["overdue"] for row in rows)

    def check_the_past(self) -> None:
        """What is left when all is over."""
        for instant, state in self.shown:
            assert self.board.shown_at(instant) == state
        assert_whole(self.board.history())
        before = self.board.history(), self.board.findings()
        self.board.publish({key: one for key, one in self.verdicts.items() if self.board.policy.enabled(key[0])})
        kept = ("finding_id", "found_at", "due_at", "ended_at")
        after = self.board.history(), self.board.findings()
        assert after[0] == before[0], "an unchanged run adds nothing"
        assert [[row[name] for name in kept] for row in after[1]] == [[row[name] for name in kept] for row in before[1]]


def _told(row: Row) -> tuple[str, ...]:
    names = ("test_id", "subject_id", "found_at", "found_basis", "due_at", "ended_at", "ended_because")
    return tuple(str(row[name]) for name in names)


def _as_told(one: Expected) -> tuple[str, ...]:
    parts = (*one.key, one.found_at, one.found_basis, one.due_at, one.ended_at, one.ended_because)
    return tuple(map(str, parts))


@pytest.fixture(scope="module")
def connection(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """One database for the module; each board has a workspace of its own."""
    with database_for_boards(postgres, "boards_of_findings") as opened:
        yield opened


@settings(
    max_examples=examples(60),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seeds)
def test_findings_open_and_end_as_the_rules_say_whatever_happens(connection: Database, random: Random) -> None:
    connection.rollback()
    machine = Machine(connection, random)
    for _ in range(PUBLICATIONS):
        machine.step()
    machine.check_the_past()


# ------------------------------------------------------------------------------------- single sequences


@pytest.fixture
def board(connection: Database) -> Board:
    return Board(connection)


FAILS = {"{a}": Judged("failing")}
SEEN = set(REPOSITORIES)


def only(board: Board) -> Row:
    [finding] = board.findings()
    return finding


@pytest.mark.parametrize("interlude", ["pending", "error", "off", "out of sight", "not read"])
def test_the_clock_goes_on_through_an_interlude_of_any_kind(board: Board, interlude: str) -> None:
    board.publish(FAILS, listed=SEEN)
    board.age(timedelta(days=40))
    before = only(board)
    if interlude in ("pending", "error"):
        board.publish({"{a}": Judged(interlude)}, listed=SEEN)
    elif interlude == "off":
        board.switch(PEERS, on=False)
        board.publish({}, listed=SEEN)
        board.switch(PEERS, on=True)
    elif interlude == "out of sight":
        board.publish({}, listed={"{b}"})
    else:
        board.publish({})
    assert only(board)["overdue"]
    board.publish(FAILS, listed=SEEN)
    after = only(board)
    assert (after["finding_id"], after["found_at"], after["due_at"]) == (
        before["finding_id"],
        before["found_at"],
        before["due_at"],
    )
    row = board.current()["{a}"]
    assert (row["failing_since"], row["due_at"]) == (before["found_at"], before["due_at"])


def test_a_subject_that_two_whole_listings_lack_is_removed_and_one_that_events_lack_is_not(board: Board) -> None:
    board.publish(FAILS, listed=SEEN)
    board.publish({})
    board.publish({}, listed={"{b}"})
    board.publish({})
    assert only(board)["ended_at"] is None
    board.publish({}, listed={"{b}"})
    ended = only(board)
    assert (ended["ended_because"], ended["ended_reason_code"]) == ("removed", "removed_or_invisible")
    assert ended["days_to_fix"] is None


def test_a_subject_that_came_back_was_missed_by_no_listing_whatever_it_is_judged(board: Board) -> None:
    """A pass by a weaker basis ends no finding, and the listing before it doesn't count for its removal any more."""
    board.publish(FAILS, listed=SEEN)
    board.publish({}, listed={"{b}"})
    board.publish({"{a}": Judged("passing", basis="behaviour")}, listed=SEEN)
    board.publish({}, listed={"{b}"})
    assert only(board)["ended_at"] is None
    board.publish({}, listed={"{b}"})
    assert only(board)["ended_because"] == "removed"


def test_a_policy_or_severity_of_a_later_day_moves_no_deadline(board: Board) -> None:
    board.publish(FAILS)
    before = only(board)
    assert before["due_at"] - before["found_at"] == timedelta(days=30)
    board.with_policy(due_days_high=1)
    board.publish(FAILS)
    assert only(board)["due_at"] == board.current()["{a}"]["due_at"] == before["due_at"]
    board.publish({"{a}": Judged("passing")})
    board.publish(FAILS)
    first, second = board.findings()
    assert first["due_at"] == before["due_at"] and first["ended_because"] == "fixed"
    assert second["due_at"] - second["found_at"] == timedelta(days=1)
    assert second["reopened_as"] == first["finding_id"]


def test_what_failed_by_configuration_is_not_mended_by_behaviour(board: Board) -> None:
    board.publish(FAILS)
    board.publish({"{a}": Judged("failing", basis="behaviour")})
    board.publish({"{a}": Judged("passing", basis="behaviour")})
    assert only(board)["ended_at"] is None
    board.publish({"{a}": Judged("passing", basis="configuration")})
    assert (only(board)["ended_because"], only(board)["ended_basis"]) == ("fixed", "configuration")


def test_a_merge_around_a_rule_in_force_is_mended_by_the_rule_again(board: Board) -> None:
    """That the rule is in force was read: what failed by configuration before is mended."""
    board.publish(FAILS)
    board.publish({"{a}": Judged("failing", basis="behaviour", detail={"in_force": True})})
    board.publish({"{a}": Judged("passing", basis="behaviour")})
    assert only(board)["ended_because"] == "fixed"


def test_a_declaration_ends_a_finding_and_names_who_declared(board: Board) -> None:
    board.publish(FAILS, listed=SEEN)
    board.connection.execute(
        "INSERT INTO registry.classification (workspace, target_type, target, classification, declared_by)"
        " VALUES (%s, 'repository', 'a', 'non_production', 'airflow:olga')",
        (board.workspace,),
    )
    board.publish({"{a}": Judged("not_applicable")}, listed=SEEN)
    first = only(board)
    assert CODES["not_applicable"] == first["ended_reason_code"] == "non_production"
    assert (first["ended_because"], first["ended_by"]) == ("not_applicable", "airflow:olga")
    board.publish(FAILS, listed=SEEN)
    assert board.findings()[1]["reopened_as"] == first["finding_id"]
