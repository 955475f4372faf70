"""The state of controls over a period, with every number worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from tests.conftest import Database
from tests.reporting.histories import Interval, write, write_runs

TEST, CONTROL = "peer_review_required", "OSPS-QA-07"


@pytest.fixture
def today(database: Database) -> date:
    [row] = database.execute("SELECT (now() AT TIME ZONE 'UTC')::date AS today").fetchall()
    found: date = row["today"]
    return found


class Story:
    """Ten days of one workspace that end yesterday; days are counted from 0."""

    def __init__(self, database: Database, today: date):
        self.database, self.first = database, today - timedelta(days=10)
        self.rows: list[Interval] = []

    def at(self, day: float) -> datetime:
        return datetime.combine(self.first, time(), UTC) + timedelta(days=day)

    def was(self, subject: str, status: str, start: float, end: float | None = None) -> None:
        self.rows.append(
            Interval(
                workspace="acme",
                test_id=TEST,
                subject_id=subject,
                status=status,
                reason_code="because",
                policy="lenient",
                excepted=False,
                bypassed=False,
                start=self.at(start),
                end=None if end is None else self.at(end),
            )
        )

    def found(self, subject: str, start: float, due: float, end: float | None = None, because: str = "fixed") -> None:
        self.database.execute(
            "INSERT INTO compliance.finding_records (workspace, test_id, subject_type, subject_id, subject_name,"
            " severity, found_at, found_basis, failed_basis, reason_code, due_at, policy_version, run_id, ended_at,"
            " ended_because) VALUES ('acme', %s, 'repository', %s, %s, 'high', %s, 'configuration', 'configuration',"
            " 'no_matching_rule', %s, 'lenient', 'run', %s, %s)",
            (
                TEST,
                subject,
                subject,
                self.at(start),
                self.at(due),
                None if end is None else self.at(end),
                None if end is None else because,
            ),
        )

    def changed(self, number: int, day: float, reviewed: bool | None, classification: str | None = None) -> None:
        self.database.execute(
            "INSERT INTO compliance.changes (workspace, repository_id, kind, change_key, classification, merged_on,"
            " peer_reviewed, forced, removed, policy_version, first_run_id, recorded_at)"
            " VALUES ('acme', '{a}', 'pull_request', %s, %s, %s, %s, false, false, 'lenient', 'run', now())",
            (str(number), classification, self.at(day), reviewed),
        )

    def told(self, days_with_runs: set[int], first: int = 0, last: int = 9) -> dict[str, Any]:
        write(self.database, self.rows)
        # A run of events on the day before counts for nothing.
        write_runs(self.database, [("acme", self.first + timedelta(days=day)) for day in days_with_runs])
        [row] = self.database.execute(
            "SELECT * FROM compliance.control_period('acme', %s, %s) WHERE control = %s",
            (self.first + timedelta(days=first), self.first + timedelta(days=last), CONTROL),
        ).fetchall()
        # One test alone gives evidence for the control: what is told of the control holds for the test.
        [of_test] = self.database.execute(
            "SELECT * FROM compliance.test_period('acme', %s, %s) WHERE test_id = %s",
            (self.first + timedelta(days=first), self.first + timedelta(days=last), TEST),
        ).fetchall()
        assert row | of_test == {**row, "test_id": TEST}
        return row


@pytest.fixture
def story(database: Database, today: date) -> Story:
    return Story(database, today)


EVERY_DAY = set(range(10))


def test_nothing_failed_and_every_day_was_observed(story: Story) -> None:
    story.was("{a}", "passing", 0)
    story.was("{b}", "not_applicable", 0)
    story.changed(1, 3.5, reviewed=True)
    row = story.told(EVERY_DAY)
    assert (row["state"], row["days"], row["days_observed"], row["days_not_observed"]) == ("operated", 10, 10, 0)
    assert (row["most_subjects"], row["changes"], row["changes_against"]) == (1, 1, 0)
    assert (row["tests"], row["strength"], row["control_title"].split(",")[0]) == (
        [TEST], "primary", "When a commit is made to the primary branch",
    )  # fmt: skip


def test_failures_findings_and_changes_are_counted_within_the_period_alone(story: Story) -> None:
    story.was("{a}", "passing", 0)
    story.was("{b}", "failing", 1.5, 4.5)  # at the ends of days 1, 2 and 3
    story.was("{b}", "passing", 4.5)
    story.was("{c}", "failing", 2.1, 2.9)  # at the end of no day, found on day 2
    story.was("{c}", "passing", 2.9)
    story.found("{b}", 1.5, 6, 4.5)
    story.found("{c}", 2.1, 2.5, 2.9)
    story.found("{d}", -5, -1, -2)  # before
    story.found("{e}", -5, -1, 3, because="removed")
    story.found("{f}", 8, 20)
    story.found("{g}", 7, 9)
    for number, (day, reviewed) in enumerate([(-1, False), (0, True), (5, False), (6, None), (10, False)]):
        story.changed(number, day, reviewed)
    story.changed(9, 5, reviewed=False, classification="non_production")
    row = story.told(EVERY_DAY - {6, 7})
    assert row["state"] == "operated with exceptions"
    assert (row["days_observed"], row["days_not_observed"]) == (8, 2)
    assert row["days_with_failures"] == 5, "1, 2, 3, and 7 and 8, on which something was found"
    assert (row["findings_opened"], row["fixed_in_time"], row["fixed_late"], row["ended_otherwise"]) == (4, 1, 1, 1)
    assert (row["open_at_end"], row["overdue_at_end"], row["accepted_at_end"]) == (2, 1, 0)
    assert (row["changes"], row["changes_against"], row["changes_unknown"]) == (3, 1, 1)


def test_a_day_that_was_not_observed_is_an_exception(story: Story) -> None:
    story.was("{a}", "passing", 0)
    row = story.told(EVERY_DAY - {4})
    assert (row["state"], row["days_not_observed"]) == ("operated with exceptions", 1)


def test_a_subject_that_could_not_be_decided_is_an_exception(story: Story) -> None:
    story.was("{a}", "passing", 0)
    story.was("{b}", "pending", 2.5, 3.5)
    story.was("{b}", "passing", 3.5)
    row = story.told(EVERY_DAY)
    assert (row["state"], row["days_with_undecided"]) == ("operated with exceptions", 1)


def test_a_change_without_review_is_an_exception_also_where_every_rule_was_in_force(story: Story) -> None:
    story.was("{a}", "passing", 0)
    story.changed(1, 3.5, reviewed=False)
    assert story.told(EVERY_DAY)["state"] == "operated with exceptions"


def test_a_change_of_which_it_is_not_known_is_an_exception(story: Story) -> None:
    story.was("{a}", "passing", 0)
    story.changed(1, 3.5, reviewed=None)
    row = story.told(EVERY_DAY)
    assert (row["state"], row["changes_unknown"]) == ("operated with exceptions", 1)


def test_a_control_of_which_nothing_passed_did_not_operate(story: Story) -> None:
    story.was("{a}", "failing", 0)
    assert story.told(EVERY_DAY)["state"] == "did not operate"


@pytest.mark.parametrize("status", ["passing", "pending", "error", "not_applicable"])
def test_what_nobody_looked_at_or_could_decide_was_not_observed(story: Story, status: str) -> None:
    story.was("{a}", status, 0)
    assert story.told(set() if status == "passing" else EVERY_DAY)["state"] == "not observed"


def test_a_period_ends_today_at_the_latest_and_one_that_ends_before_it_begins_has_no_rows(story: Story) -> None:
    story.was("{a}", "passing", 0)
    assert story.told(EVERY_DAY, last=400)["days"] == 11
    rows = story.database.execute("SELECT * FROM compliance.control_period('acme', '2026-02-02', '2026-02-01')")
    assert rows.fetchall() == []
