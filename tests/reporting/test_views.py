"""The views for analysts against the same figures worked out row by row in Python, on random histories."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitbucket_compliance.security_tests import CATALOGUE
from tests.conftest import Database
from tests.examples import examples
from tests.reporting.histories import (
    STATUSES,
    WEIGHTS,
    Interval,
    end_interval,
    end_period,
    histories,
    share,
    stale_periods,
    trend,
    whole_runs,
    write,
    write_open,
    write_open_period,
    write_runs,
    write_stale_periods,
)

some = settings(
    max_examples=examples(60),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@contextmanager
def undone(database: Database) -> Iterator[datetime]:
    """A transaction that leaves nothing; gives the instant that is now() in it."""
    with database.transaction(force_rollback=True):
        [row] = database.execute("SELECT now() AS now").fetchall()
        yield row["now"]


# ---------------------------------------------------------------------------------------- daily_trend


@some
@given(data=st.data())
def test_a_day_shows_what_held_at_its_end_also_where_nothing_ran(database: Database, data: st.DataObject) -> None:
    with undone(database) as now:
        rows = data.draw(histories(now))
        write(database, rows)
        periods, runs = data.draw(stale_periods(rows, now)), data.draw(whole_runs(now))
        write_stale_periods(database, periods)
        write_runs(database, runs)
        shown = {
            (row.pop("day"), row.pop("workspace"), row.pop("test_id"), row.pop("severity")): row
            for row in database.execute("SELECT * FROM compliance.daily_trend")
        }
        assert shown == trend(rows, periods, runs, now)


@some
@given(data=st.data())
def test_the_days_of_a_period_are_those_of_the_trend(database: Database, data: st.DataObject) -> None:
    with undone(database) as now:
        rows = data.draw(histories(now))
        write(database, rows)
        write_stale_periods(database, data.draw(stale_periods(rows, now)))
        write_runs(database, data.draw(whole_runs(now)))
        today = now.astimezone(UTC).date()
        first, last = (today - timedelta(days=data.draw(st.integers(-1, 12))) for _ in range(2))
        columns = "day, test_id, passing, failing, pending, error, not_applicable, stale, effective"
        shown = database.execute(
            f"SELECT {columns} FROM compliance.test_days('acme', %s, %s)",  # type: ignore[arg-type]  # noqa: S608
            (first, last),
        ).fetchall()
        trend_of_all = database.execute(
            "SELECT day, test_id, sum(passing) AS passing, sum(failing) AS failing, sum(pending) AS pending,"
            " sum(error) AS error, sum(not_applicable) AS not_applicable, sum(stale) AS stale,"
            " sum(effective) AS effective FROM compliance.daily_trend"
            " WHERE workspace = 'acme' AND day BETWEEN %s AND %s GROUP BY day, test_id ORDER BY day, test_id",
            (first, last),
        ).fetchall()
        assert shown == trend_of_all


@some
@given(data=st.data())
def test_the_trend_says_what_history_says_in_whatever_order_it_came_to_be(
    database: Database, data: st.DataObject
) -> None:
    with undone(database) as now:
        rows = data.draw(histories(now))
        periods = data.draw(stale_periods(rows, now))
        # Intervals are ended now; that they ended at another time is all the same to what is counted.
        database.execute("ALTER TABLE compliance.result_history DISABLE TRIGGER intervals_are_only_ended")
        write(database, [])
        happenings = [*_ways(rows, write_open, end_interval), *_ways(periods, write_open_period, end_period)]
        while happenings:
            chain = data.draw(st.integers(0, len(happenings) - 1))
            happenings[chain].pop(0)(database)
            happenings = [one for one in happenings if one]
        shown = {
            (row.pop("day"), row.pop("workspace"), row.pop("test_id"), row.pop("severity")): row
            for row in database.execute("SELECT * FROM compliance.daily_trend")
        }
        assert shown == trend(rows, periods, set(), now)
        assert not counted_wrong(database)


def _ways(
    rows: Sequence[Any], begin: Callable[[Database, Any], None], end: Callable[[Database, Any], None]
) -> list[list[Callable[[Database], None]]]:
    """What happens to the rows of each subject, one after the other."""
    chains = defaultdict(list)
    for row in rows:
        chains[row.workspace, row.test_id, row.subject_id] += [
            partial(begin, row=row),
            *([partial(end, row=row)] if row.end else []),
        ]
    return list(chains.values())


def counted_wrong(database: Database) -> list[dict[str, Any]]:
    """What ``verify`` says of the counts that the trend rests on."""
    return database.execute(
        "SELECT told.* FROM unnest(ARRAY['acme', 'other']) AS names (workspace)"
        " CROSS JOIN LATERAL integration.verify_record(names.workspace) AS told"
        " WHERE told.relation = 'integration.history_moves'"
    ).fetchall()


def test_a_trend_that_somebody_changed_does_not_fit(database: Database) -> None:
    with undone(database) as now:
        [row] = [Interval("acme", "repo_classified", "{a}", "failing", "because", "strict", False, False, now, None)]
        write(database, [row])
        assert not counted_wrong(database)
        database.execute("UPDATE integration.history_moves SET subjects = 0")
        [found] = counted_wrong(database)
        assert "differ by -1 and 0" in found["problem"]


@some
@given(data=st.data())
def test_today_in_the_trend_is_what_holds_now(database: Database, data: st.DataObject) -> None:
    with undone(database) as now:
        write(database, data.draw(histories(now)))
        rows = database.execute(
            """
            SELECT coalesce(trend.n, 0) AS trend, coalesce(held.n, 0) AS held
            FROM (
                SELECT workspace, sum(passing + failing + pending + error + not_applicable) AS n
                FROM compliance.daily_trend WHERE day = (now() AT TIME ZONE 'UTC')::date GROUP BY workspace
            ) AS trend
            FULL JOIN (
                SELECT workspace, count(*) AS n FROM compliance.results_as_of(now()) GROUP BY workspace
            ) AS held USING (workspace)
            """
        ).fetchall()
        assert all(row["trend"] == row["held"] for row in rows), rows


# ------------------------------------------------------------------ what holds now, stale or not

RESULT = st.fixed_dictionaries(
    {
        "workspace": st.sampled_from(["acme", "other"]),
        "test_id": st.sampled_from([test.test_id for test in CATALOGUE][:4]),
        "status": st.sampled_from(STATUSES),
        "fresh_hours": st.sampled_from([None, -30, -1, 1, 40]),
        "failing_days": st.sampled_from([None, 0, 6, 7, 29, 30, 89, 90, 200]),
        "due_hours": st.sampled_from([-5, 5]),
        "excepted_hours": st.sampled_from([None, None, -1, 1]),
        "bypassed": st.sampled_from([None, 0, 0, 2]),
    }
)


def publish_catalogue(database: Database) -> dict[str, str]:
    """A published run of both workspaces under a policy; returns the severities."""
    body = {
        "tests": {test.test_id: {"severity": test.severity, "enabled": True} for test in CATALOGUE},
        "thresholds": {},
    }
    database.execute("INSERT INTO registry.policy_versions VALUES ('p', %s)", (json.dumps(body),))
    for workspace in ("acme", "other"):
        database.execute(
            "INSERT INTO integration.runs (run_id, workspace, started_at, status, policy_version)"
            " VALUES (%s, %s, now(), 'published', 'p')",
            (f"run of {workspace}", workspace),
        )
    return {test.test_id: test.severity for test in CATALOGUE}


def insert_results(database: Database, results: list[dict[str, Any]], severities: dict[str, str]) -> None:
    """Published results; a subject of its own for each, and a finding and an exception where it has one."""
    for number, result in enumerate(results):
        values = {
            **result,
            "severity": severities[result["test_id"]],
            "subject_id": f"{{{number}}}",
            "exception_id": str(UUID(int=number + 1)),
        }
        database.execute(
            """
            INSERT INTO compliance.results (
                workspace, test_id, test_title, severity, subject_type, subject_id, status, reason_code, reason, detail,
                first_seen_at, status_since, failing_since, due_at, exception_id, exception_expires_at, fresh_until,
                evaluated_at, run_id, policy_version, facts_hash, bypassed
            )
            VALUES (
                %(workspace)s, %(test_id)s, '', %(severity)s, 'repository', %(subject_id)s, %(status)s, 'because', '',
                '{}', now(), now(), now() - make_interval(days => %(failing_days)s::integer),
                CASE WHEN %(failing_days)s::integer IS NOT NULL
                    THEN now() + make_interval(hours => %(due_hours)s::integer)
                END,
                CASE WHEN %(excepted_hours)s::integer IS NOT NULL THEN %(exception_id)s::uuid END,
                now() + make_interval(hours => %(excepted_hours)s::integer),
                now() + make_interval(hours => %(fresh_hours)s::integer), now(), 'run', 'p', '',
                %(bypassed)s
            )
            """,
            values,
        )
        if result["failing_days"] is not None:
            database.execute(
                """
                INSERT INTO compliance.finding_records (
                    workspace, test_id, subject_type, subject_id, severity, found_at, reason_code, due_at,
                    policy_version, run_id
                )
                VALUES (
                    %(workspace)s, %(test_id)s, 'repository', %(subject_id)s, %(severity)s,
                    now() - make_interval(days => %(failing_days)s), 'because',
                    now() + make_interval(hours => %(due_hours)s), 'p', 'run'
                )
                """,
                values,
            )
        if result["excepted_hours"] is not None:
            accept_exception(database, values)


def accept_exception(database: Database, values: dict[str, Any]) -> None:
    """An exception of the subject's own, which somebody else accepted just now."""
    statements = (
        """
        INSERT INTO registry.exceptions (
            exception_id, workspace, test_id, scope, target, owner, reason, expires_at, requested_by
        )
        VALUES (
            %(exception_id)s, %(workspace)s, %(test_id)s, 'subject', %(subject_id)s, 'os:olga', 'it moves',
            now() + make_interval(hours => %(excepted_hours)s), 'os:olga'
        )
        """,
        """
        INSERT INTO registry.exception_decisions (exception_id, decision, decided_by, decided_at, policy_version)
        VALUES (%(exception_id)s, 'accepted', 'os:ben', now(), 'p')
        """,
        """
        INSERT INTO registry.exception_subjects (exception_id, workspace, test_id, subject_id, facts_hash)
        VALUES (%(exception_id)s, %(workspace)s, %(test_id)s, %(subject_id)s, '')
        """,
    )
    for statement in statements:
        database.execute(statement, values)


def is_stale(result: dict[str, Any]) -> bool:
    return result["fresh_hours"] is None or result["fresh_hours"] < 0


def is_excepted(result: dict[str, Any]) -> bool:
    return (result["excepted_hours"] or -1) > 0


def is_overdue(result: dict[str, Any]) -> bool:
    return result["failing_days"] is not None and result["due_hours"] < 0 and not is_excepted(result)


def counted(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The counts that both summaries show."""
    fresh = [result["status"] for result in results if not is_stale(result)]
    return {
        **{status: sum(result["status"] == status for result in results) for status in STATUSES},
        "stale": sum(map(is_stale, results)),
        "excepted": sum(result["status"] == "failing" and is_excepted(result) for result in results),
        "overdue": sum(map(is_overdue, results)),
        "fresh_passing": fresh.count("passing"),
        "fresh_failing": fresh.count("failing"),
        "bypassed": sum(bool(result["bypassed"]) for result in results),
        "effective": sum(
            result["status"] == "passing" and not is_stale(result) and not result["bypassed"] for result in results
        ),
    }


@some
@given(results=st.lists(RESULT, max_size=25))
def test_summaries_count_what_is_stale_excepted_and_overdue_apart_and_score_by_severity(
    database: Database, results: list[dict[str, Any]]
) -> None:
    with undone(database):
        severities = publish_catalogue(database)
        insert_results(database, results, severities)
        for row in database.execute("SELECT * FROM compliance.test_summary"):
            own = [r for r in results if (r["workspace"], r["test_id"]) == (row["workspace"], row["test_id"])]
            counts = counted(own)
            assert {name: row[name] for name in counts} == counts
            assert row["score"] == share(counts["passing"], counts["failing"])
            assert row["fresh_score"] == share(counts["fresh_passing"], counts["fresh_failing"])
            others = len(own) - counts["not_applicable"] - counts["effective"]
            assert row["effective_share"] == share(counts["effective"], others)
        scores = {row["workspace"]: row for row in database.execute("SELECT * FROM compliance.workspace_score")}
        assert set(scores) == {"acme", "other"}
        for workspace, row in scores.items():
            own = [result for result in results if result["workspace"] == workspace]
            counts = counted(own)
            assert {name: row[name] for name in counts if name in row} == {n: c for n, c in counts.items() if n in row}
            for name, kept in (("score", own), ("fresh_score", [r for r in own if not is_stale(r)])):
                weigh = [(WEIGHTS[severities[r["test_id"]]], r["status"]) for r in kept]
                passing = sum(weight for weight, status in weigh if status == "passing")
                failing = sum(weight for weight, status in weigh if status == "failing")
                assert row[name] == share(passing, failing), name


@pytest.mark.parametrize(
    ("passing", "failing", "expected"),
    [(5, None, 100), (None, 5, 0), (1, 2, Decimal("33.3")), (0, 0, None), (None, None, None)],
)
def test_a_score_counts_null_as_none_and_is_null_only_where_nothing_is_decided(
    database: Database, passing: int | None, failing: int | None, expected: Decimal | None
) -> None:
    [row] = database.execute("SELECT compliance.score(%s, %s) AS score", (passing, failing)).fetchall()
    assert row["score"] == expected


@some
@given(results=st.lists(RESULT, max_size=15))
def test_open_findings_show_age_lateness_staleness_and_only_exceptions_in_force(
    database: Database, results: list[dict[str, Any]]
) -> None:
    groups = ((7, "0 to 6 days"), (30, "7 to 29 days"), (90, "30 to 89 days"), (10_000, "90 days and more"))
    with undone(database):
        insert_results(database, results, publish_catalogue(database))
        shown = {row["subject_id"]: row for row in database.execute("SELECT * FROM compliance.open_findings")}
        wanted = {f"{{{n}}}": result for n, result in enumerate(results) if result["failing_days"] is not None}
        assert set(shown) == set(wanted)
        for subject, result in wanted.items():
            row = shown[subject]
            assert row["age_days"] == result["failing_days"]
            assert row["age_group"] == next(name for most, name in groups if result["failing_days"] < most)
            assert (row["is_overdue"], row["is_stale"]) == (is_overdue(result), is_stale(result))
            assert (row["exception_id"] is not None) is is_excepted(result)


@some
@given(results=st.lists(RESULT, max_size=15))
def test_the_overview_of_results_adds_up_to_the_summaries_and_ages_like_the_findings(
    database: Database, results: list[dict[str, Any]]
) -> None:
    with undone(database):
        insert_results(database, results, publish_catalogue(database))
        database.execute(
            "INSERT INTO compliance.repositories (workspace, repository_id, project_key, owner)"
            " SELECT DISTINCT workspace, subject_id, 'PAY', 'team' FROM compliance.results"
        )
        rows = database.execute("SELECT * FROM compliance.result_overview").fetchall()
        assert len(rows) == len(results)
        assert {(row["project_key"], row["owner"]) for row in rows} <= {("PAY", "team")}
        summed = database.execute(
            """
            SELECT
                workspace, test_id,
                count(*) FILTER (WHERE status = 'passing') AS passing,
                count(*) FILTER (WHERE is_stale) AS stale,
                count(*) FILTER (WHERE is_overdue) AS overdue,
                count(*) FILTER (WHERE is_effective) AS effective,
                count(*) FILTER (WHERE due = 'risk accepted' AND status = 'failing') AS excepted,
                compliance.score(sum(weighted_passing), sum(weighted_decided - weighted_passing)) AS score
            FROM compliance.result_overview
            GROUP BY workspace, test_id
            """
        ).fetchall()
        summary = {
            (row["workspace"], row["test_id"]): row for row in database.execute("SELECT * FROM compliance.test_summary")
        }
        for row in summed:
            expected = summary[row["workspace"], row["test_id"]]
            # a risk that was accepted of what is found nowhere is nobody's
            unfound = [r for r in results if r["failing_days"] is None and is_excepted(r) and r["status"] == "failing"]
            names = [name for name in row if name != "excepted" or not unfound]
            assert {name: row[name] for name in names} == {name: expected[name] for name in names}
        ages = {row["subject_id"]: row for row in database.execute("SELECT * FROM compliance.open_findings")}
        for row in rows:
            finding = ages.get(row["subject_id"])
            assert row["is_open"] is (finding is not None)
            assert (row["age_days"], row["age_group"], row["is_overdue"]) == (
                (finding["age_days"], finding["age_group"], finding["is_overdue"]) if finding else (None, None, False)
            )
        orders = {(row["age_order"], row["age_group"]) for row in rows if row["is_open"]}
        groups = ["0 to 6 days", "7 to 29 days", "30 to 89 days", "90 days and more"]
        assert orders <= set(enumerate(groups, 1))


@some
@given(results=st.lists(RESULT, max_size=15))
def test_undecided_counts_every_pending_and_error_once(database: Database, results: list[dict[str, Any]]) -> None:
    with undone(database):
        insert_results(database, results, publish_catalogue(database))
        shown = {
            (row["workspace"], row["test_id"], row["status"]): row["subjects"]
            for row in database.execute("SELECT * FROM compliance.undecided")
        }
        keys = [(r["workspace"], r["test_id"], r["status"]) for r in results if r["status"] in ("pending", "error")]
        assert shown == {key: keys.count(key) for key in keys}


# ------------------------------------------------------------------------------------- results_as_of


def test_a_subject_has_one_row_as_of_an_instant_that_two_findings_cover(database: Database) -> None:
    """As after a clock was put back: one that ended, and an open one that was found before that end."""
    with undone(database):
        publish_catalogue(database)
        database.execute(
            """
            INSERT INTO compliance.result_history (
                workspace, test_id, subject_type, subject_id, severity, status, reason_code, reason, detail, facts_hash,
                policy_version, run_id, valid_from
            )
            VALUES ('acme', 'peer_review_required', 'repository', '{a}', 'high', 'failing', 'because', '', '{}', '',
                'p', 'run', now() - interval '3 days')
            """
        )
        for found, ended in ((3, 1), (2, None)):
            database.execute(
                """
                INSERT INTO compliance.finding_records (
                    workspace, test_id, subject_type, subject_id, severity, found_at, reason_code, due_at,
                    policy_version, run_id, ended_at, ended_because
                )
                VALUES (
                    'acme', 'peer_review_required', 'repository', '{a}', 'high',
                    now() - make_interval(days => %(found)s), 'because',
                    now() + make_interval(days => 30 - %(found)s), 'p', 'run', now() - make_interval(days => %(ended)s),
                    CASE WHEN %(ended)s::integer IS NOT NULL THEN 'fixed' END
                )
                """,
                {"found": found, "ended": ended},
            )
        for hours, found in ((60, 3), (36, 2), (12, 2)):
            [row] = database.execute(
                "SELECT now() - failing_since AS age, due_at - failing_since AS time_to_fix"
                " FROM compliance.results_as_of(now() - make_interval(hours => %s))",
                (hours,),
            ).fetchall()
            assert (row["age"], row["time_to_fix"]) == (timedelta(days=found), timedelta(days=30))


# ------------------------------------------------------------------------------------- access review


@pytest.mark.parametrize(
    ("member_type", "matched_by", "flagged"),
    [
        ("user", None, True),
        ("user", "name", True),
        (None, None, True),
        ("user", "email", False),
        ("user", "account_id", False),
        ("app_user", None, False),
    ],
)
def test_accounts_that_nobody_on_the_roster_answers_for_are_flagged(
    database: Database, member_type: str | None, matched_by: str | None, flagged: bool
) -> None:
    database.execute(
        "INSERT INTO compliance.members (workspace, member_id, member_type, matched_by) VALUES ('acme', '{m}', %s, %s)",
        (member_type, matched_by),
    )
    [row] = database.execute("SELECT needs_review FROM compliance.members").fetchall()
    assert row["needs_review"] is flagged


@pytest.mark.parametrize(
    ("matched_by", "left_over", "why"),
    [
        ("email", "failing", "left, and still has access"),
        (None, "failing", "left, and still has access"),
        ("name", "pending", "only the name is on the roster"),
        (None, None, "not on the roster"),
        ("email", "passing", None),
    ],
)
def test_members_to_review_say_why(
    database: Database, matched_by: str | None, left_over: str | None, why: str | None
) -> None:
    with undone(database):
        publish_catalogue(database)
        database.execute(
            "INSERT INTO compliance.members (workspace, member_id, member_type, matched_by)"
            " VALUES ('acme', '{m}', 'user', %s)",
            (matched_by,),
        )
        for test_id, status in (("offboarded_access_removed", left_over), ("user_mfa_enabled", "passing")):
            if status:
                database.execute(
                    """
                    INSERT INTO compliance.results (
                        workspace, test_id, test_title, severity, subject_type, subject_id, status, reason_code, reason,
                        detail, first_seen_at, status_since, evaluated_at, run_id, policy_version, facts_hash
                    )
                    VALUES ('acme', %s, '', 'critical', 'member', '{m}', %s, '', '', '{}', now(), now(), now(), 'run',
                        'p', '')
                    """,
                    (test_id, status),
                )
        rows = database.execute("SELECT why, two_step_verification FROM compliance.members_to_review").fetchall()
        assert [(row["why"], row["two_step_verification"]) for row in rows] == ([(why, "passing")] if why else [])


def test_the_access_review_shows_somebody_in_charge_of_people_what_the_roster_says_and_what_was_decided(
    database: Database,
) -> None:
    with undone(database):
        publish_catalogue(database)
        members = (("{a}", "email", "active"), ("{b}", None, None), ("{c}", "account_id", "terminated"))
        for member_id, matched_by, hr_status in members:
            database.execute(
                "INSERT INTO compliance.members (workspace, member_id, member_type, role, matched_by)"
                " VALUES ('acme', %s, 'user', 'member', %s)",
                (member_id, matched_by),
            )
            if hr_status:
                database.execute(
                    "INSERT INTO compliance.member_employment (workspace, member_id, hr_status)"
                    " VALUES ('acme', %s, %s)",
                    (member_id, hr_status),
                )
        for member_id, decision in (("{a}", "revoke"), ("{a}", "keep"), ("{c}", "revoke")):
            database.execute(
                "INSERT INTO registry.access_reviews (workspace, member_id, needs_review, decision, reviewed_by)"
                " VALUES ('acme', %s, false, %s, 'airflow:olga')",
                (member_id, decision),
            )
        database.execute("SET LOCAL ROLE compliance_people_reader")
        rows = database.execute("SELECT * FROM compliance.access_review ORDER BY member_id").fetchall()
        database.execute("RESET ROLE")
        shown = ("member_id", "role", "hr_status", "matched_by", "needs_review", "decision", "is_still_there")
        assert [tuple(row[name] for name in shown) for row in rows] == [
            ("{a}", "member", "active", "email", False, "keep", False),
            ("{b}", "member", None, None, True, None, None),
            ("{c}", "member", "terminated", "account_id", False, "revoke", True),
        ]


# --------------------------------------------------------------------------------------- controls


@some
@given(results=st.lists(RESULT, max_size=12))
def test_a_control_stands_where_its_results_stand(database: Database, results: list[dict[str, Any]]) -> None:
    with undone(database):
        severities = publish_catalogue(database)
        insert_results(database, results, severities)
        shown = database.execute("SELECT * FROM compliance.control_status").fetchall()
        mapped = database.execute("SELECT * FROM compliance.test_controls").fetchall()
        current = database.execute("SELECT * FROM compliance.current_results").fetchall()
    assert {row["workspace"] for row in shown} == {"acme", "other"}
    for row in shown:
        tests = {
            one["test_id"] for one in mapped if (one["framework"], one["control"]) == (row["framework"], row["control"])
        }
        own = [one for one in current if one["workspace"] == row["workspace"] and one["test_id"] in tests]
        own = [one for one in own if one["status"] != "not_applicable"]
        known = [one for one in own if one["status"] in ("passing", "failing") and not one["is_stale"]]
        good = [one for one in known if one["status"] == "passing" and not one["bypassed"]]
        if not known:
            state = "not observed"
        elif not good:
            state = "did not operate"
        else:
            state = "operated" if len(good) == len(own) else "operated with exceptions"
        assert (row["state"], row["effective"]) == (state, len(good)), (row, own)
        assert row["failing"] == sum(one["status"] == "failing" for one in own)
        assert row["undecided"] == sum(one["status"] in ("pending", "error") for one in own)
