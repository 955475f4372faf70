"""History as intervals: never overlapping, never a gap, and what was shown at any instant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from local.postgres import EmbeddedPostgres
from tests.examples import examples
from tests.pipeline.board import CODES, PEERS, Board, Database, Judged, Row, assert_whole, database_for_boards

PUBLICATIONS = 7
EVIDENCE = "00000000-0000-4000-8000-000000000001"
SUBJECTS = [(PEERS, "{a}"), (PEERS, "{b}"), ("repo_classified", "{a}")]
BASES = ["configuration", "behaviour", "evidence"]
# Drawn with Python's random numbers, seeded by hypothesis: its own choices come out too simple.
seeds = st.integers(0, 2**32 - 1).map(Random)

quick = settings(
    max_examples=examples(50),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def connection(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """One database for the module; each board has a workspace of its own."""
    with database_for_boards(postgres, "boards_of_history") as opened:
        yield opened


@pytest.fixture
def board(connection: Database) -> Board:
    return Board(connection)


def any_verdict(random: Random) -> Judged:
    status = random.choice(list(CODES))
    basis = random.choice(BASES) if status in ("passing", "failing") else None
    return Judged(
        status,
        random.choice(["one", "two"]),
        basis,
        detail={"captured_on": "2026-01-31", "evidence_id": EVIDENCE} if basis == "evidence" else {},
    )


def any_step(random: Random, board: Board, before: dict[tuple[str, str], Judged]) -> dict[tuple[str, str], Judged]:
    """What the next publication holds: some verdicts change, subjects go and come back, tests and policy change."""
    verdicts = {key: verdict for key, verdict in before.items() if random.random() < 0.9}
    for key in SUBJECTS:
        if random.random() < 0.3:
            verdicts[key] = any_verdict(random)
    board.switch("repo_classified", on=random.random() < 0.8)
    board.with_policy(min_approvals=random.choice([1, 1, 1, 2]))
    return verdicts


@quick
@given(seeds)
def test_history_tells_at_every_instant_what_was_shown_then(connection: Database, random: Random) -> None:
    board = Board(connection)
    verdicts: dict[tuple[str, str], Judged] = {}
    seen: list[tuple[datetime, list[tuple[str, ...]]]] = []
    for _ in range(PUBLICATIONS):
        verdicts = any_step(random, board, verdicts)
        board.publish(verdicts)
        seen.append((board.now(), board.shown()))
        days = timedelta(days=random.choice([0, 0, 1, 30]))
        board.age(days)
        seen = [(instant - days, state) for instant, state in seen]
    for instant, state in seen:
        assert board.shown_at(instant) == state
    assert_whole(board.history())
    assert_dates(board)


def assert_dates(board: Board) -> None:
    """The since-dates of current results are instants of publications, as history has them."""
    intervals = board.history()
    for row in board.query("SELECT * FROM compliance.current_results WHERE workspace = %s", board.workspace):
        own = [i for i in intervals if (i["test_id"], i["subject_id"]) == (row["test_id"], row["subject_id"])]
        assert row["first_seen_at"] == own[0]["valid_from"]
        same = [i for i in own if i["valid_from"] >= row["status_since"]]
        assert same[0]["valid_from"] == row["status_since"] and {i["status"] for i in same} == {row["status"]}


@quick
@given(seeds)
def test_a_clock_that_is_put_back_makes_neither_gap_nor_overlap(connection: Database, random: Random) -> None:
    board = Board(connection)
    verdicts: dict[tuple[str, str], Judged] = {}
    for _ in range(PUBLICATIONS):
        verdicts = any_step(random, board, verdicts)
        board.publish(verdicts)
        board.age(timedelta(hours=random.choice([-5, -1, 0, 1])))
    rows = board.history()
    assert_whole(rows)
    last = max((row["valid_from"] for row in rows), default=board.now())
    assert board.shown_at(max(last, board.now())) == board.shown()
    assert_dates(board)


def test_a_publication_that_changes_nothing_adds_no_rows(board: Board) -> None:
    verdicts = {"{a}": Judged("failing"), "{b}": Judged("passing"), "{c}": Judged("pending")}
    board.publish(verdicts)
    before = board.history()
    for _ in range(3):
        board.publish(verdicts)
    assert board.history() == before


def test_all_that_a_publication_writes_bears_one_instant(board: Board) -> None:
    board.publish({"{a}": Judged("failing"), "{b}": Judged("passing")})
    board.publish({"{a}": Judged("passing"), "{c}": Judged("failing")})
    instants = {row["valid_from"] for row in board.history()}
    instants |= {row["valid_to"] for row in board.history() if row["valid_to"]}
    for row in board.current().values():
        assert {row["first_seen_at"], row["status_since"]} <= instants
        assert row["failing_since"] in instants | {None}
    assert len(instants) == 2


@pytest.mark.parametrize(
    ("captured_days_ago", "validity_days", "expected_hours"),
    [(10, 11, None), (10, 40, 48)],
    ids=["evidence runs out first", "data gets old first"],
)
def test_a_verdict_on_evidence_is_fresh_until_the_evidence_runs_out(
    board: Board, captured_days_ago: int, validity_days: int, expected_hours: int | None
) -> None:
    board.with_policy(evidence_validity_days=validity_days, time_zone="Pacific/Auckland")
    read_at = board.now()
    day = board.query("SELECT (now() AT TIME ZONE 'Pacific/Auckland')::date - %s::integer AS day", captured_days_ago)
    on = day[0]["day"]
    detail = {"captured_on": on.isoformat(), "evidence_id": EVIDENCE}
    board.publish(
        {
            "{a}": Judged("passing", basis="evidence", detail=detail),
            # the same words, but it was something else that decided
            "{b}": Judged("passing", basis="configuration", detail=detail),
        },
        data_as_of=read_at,
    )
    ends = board.query("SELECT %s::timestamp AT TIME ZONE 'Pacific/Auckland' AS ends", on + timedelta(validity_days))
    rows = board.current()
    expected = read_at + timedelta(hours=expected_hours) if expected_hours else ends[0]["ends"]
    assert rows["{a}"]["fresh_until"] == expected
    assert rows["{b}"]["fresh_until"] == read_at + timedelta(hours=48)
    assert not rows["{a}"]["is_stale"]
    board.age(expected - board.now() + timedelta(seconds=1))
    assert board.current()["{a}"]["is_stale"], "without any run"


# --------------------------------------------------------------------------------- staleness, instant by instant

Dated = list[tuple[str, ...]]


def dated(rows: list[Row], moved: timedelta = timedelta()) -> Dated:
    """What a reader is told of freshness and lateness; instants put back by what the board grew older since."""
    return sorted(
        (
            row["test_id"],
            row["subject_id"],
            str(row["is_stale"]),
            *(str(row[name] and row[name] + moved) for name in ("failing_since", "due_at")),
        )
        for row in rows
    )


@settings(quick, max_examples=8)
@given(random=seeds)
def test_results_as_of_tell_freshness_and_dates_exactly_as_they_were_published(
    connection: Database, random: Random
) -> None:
    """Between runs that come late, judge less, change how long data is fresh, and lose subjects and tests."""
    board, verdicts = Board(connection), dict.fromkeys(SUBJECTS, Judged("passing"))
    grown, seen = timedelta(), []

    def look() -> None:
        now = board.now()
        current = board.query("SELECT * FROM compliance.current_results WHERE workspace = %s", board.workspace)
        seen.append((now + grown, dated(current, grown)))

    for _ in range(PUBLICATIONS):
        board.with_policy(max_data_age_hours=random.choice([24, 48, 48]), due_days_high=random.choice([2, 30]))
        board.switch("repo_classified", on=random.random() < 0.8)
        verdicts = any_step(random, board, verdicts)
        read_ago = timedelta(hours=random.choice([0, 0, 10, 30]))
        board.publish(verdicts, data_as_of=board.now() - read_ago)
        look()
        for _ in range(2):
            by = timedelta(hours=random.choice([1, 20, 30]), minutes=random.choice([0, 7]))
            board.age(by)
            grown += by
            look()
    for instant, told in seen:
        rows = board.query(
            "SELECT * FROM compliance.results_as_of(%s) WHERE workspace = %s", instant - grown, board.workspace
        )
        assert dated(rows, grown) == told
    assert {row[2] for _, told in seen for row in told} <= {"True", "False"}


def test_a_stale_period_lasts_from_the_end_of_freshness_until_a_run_confirms_the_result(board: Board) -> None:
    def periods() -> list[tuple[float, float | None]]:
        rows = board.query(
            "SELECT extract(EPOCH FROM now() - stale_from) / 3600 AS since, extract(EPOCH FROM now() - stale_to) / 3600"
            " AS until FROM compliance.stale_periods WHERE workspace = %s AND stale_from <= now() ORDER BY stale_from",
            board.workspace,
        )
        return [(round(row["since"]), None if row["until"] is None else round(row["until"])) for row in rows]

    board.publish({"{a}": Judged("passing")})
    assert periods() == []
    board.age(timedelta(hours=50))
    assert periods() == [(2, None)], "without any run"
    board.publish({"{a}": Judged("passing")})
    assert periods() == [(2, 0)]
    board.age(timedelta(hours=49))
    board.publish({"{a}": Judged("passing")}, data_as_of=board.now() - timedelta(hours=60))
    assert periods() == [(51, 49), (1, None)], "published on data too old: it goes on"
    board.publish({"{a}": Judged("passing")}, data_as_of=board.now() - timedelta(hours=60))
    assert periods() == [(51, 49), (1, None)], "and an unchanged run adds nothing"
    board.publish({})
    assert periods() == [(51, 49), (1, 0)], "it left the results"
