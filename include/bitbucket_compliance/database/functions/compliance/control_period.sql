-- Purpose: what is known of each control of each framework over a period of days (UTC, the last one counts): on which
-- days its tests were observed, what failed, what was found and mended, and what that says of the control.

CREATE FUNCTION compliance.control_period(in_workspace text, first_day date, last_day date)
RETURNS TABLE (
    framework text, control text, control_title text, tests text[], strength text, state text, days integer,
    days_observed integer, days_not_observed integer, days_with_failures integer, days_with_undecided integer,
    most_subjects bigint, findings_opened bigint, fixed_in_time bigint, fixed_late bigint, ended_otherwise bigint,
    open_at_end bigint, overdue_at_end bigint, accepted_at_end bigint, changes bigint, changes_against bigint,
    changes_unknown bigint
)
LANGUAGE sql STABLE
AS $period$
    WITH mapped AS (
        SELECT
            controls.framework,
            controls.control,
            controls.title,
            controls.strength,
            controls.test_id
        FROM compliance.test_controls AS controls
    ),

    -- Days on which something was found count too where it was mended before they ended.
    control_days AS (
        SELECT
            mapped.framework,
            mapped.control,
            by_day.day,
            bool_and(by_day.observed) AS observed,
            bool_or(by_day.failing + by_day.opened > 0) AS has_failures,
            bool_or(by_day.pending + by_day.error + by_day.stale > 0) AS has_undecided,
            bool_or(by_day.effective > 0) AS something_passed,
            max(by_day.passing + by_day.failing + by_day.pending + by_day.error) AS subjects
        FROM mapped
        INNER JOIN compliance.test_days(in_workspace, first_day, last_day) AS by_day ON mapped.test_id = by_day.test_id
        GROUP BY mapped.framework, mapped.control, by_day.day
    ),

    observation AS (
        SELECT
            control_days.framework,
            control_days.control,
            count(*) FILTER (WHERE control_days.observed)::integer AS days_observed,
            count(*) FILTER (WHERE control_days.has_failures)::integer AS days_with_failures,
            count(*) FILTER (WHERE control_days.has_undecided)::integer AS days_with_undecided,
            bool_or(control_days.something_passed) AS something_passed,
            max(control_days.subjects) AS most_subjects
        FROM control_days
        GROUP BY control_days.framework, control_days.control
    ),

    controls AS (
        SELECT
            mapped.framework,
            mapped.control,
            max(mapped.title) AS title,
            array_agg(mapped.test_id ORDER BY mapped.test_id) AS tests,
            min(mapped.strength) AS strength,
            max(of_tests.days) AS days,
            sum(of_tests.findings_opened)::bigint AS findings_opened,
            sum(of_tests.fixed_in_time)::bigint AS fixed_in_time,
            sum(of_tests.fixed_late)::bigint AS fixed_late,
            sum(of_tests.ended_otherwise)::bigint AS ended_otherwise,
            sum(of_tests.open_at_end)::bigint AS open_at_end,
            sum(of_tests.overdue_at_end)::bigint AS overdue_at_end,
            sum(of_tests.accepted_at_end)::bigint AS accepted_at_end,
            max(of_tests.changes) AS changes,
            sum(of_tests.changes_against)::bigint AS changes_against,
            sum(of_tests.changes_unknown)::bigint AS changes_unknown
        FROM mapped
        INNER JOIN compliance.test_period(in_workspace, first_day, last_day) AS of_tests
            ON mapped.test_id = of_tests.test_id
        GROUP BY mapped.framework, mapped.control
    )

    SELECT
        controls.framework,
        controls.control,
        controls.title,
        controls.tests,
        controls.strength,
        compliance.period_state(
            controls.days,
            observation.days_observed,
            observation.days_with_failures,
            observation.days_with_undecided,
            observation.something_passed,
            coalesce(controls.changes_against, 0) + coalesce(controls.changes_unknown, 0)
        ),
        controls.days,
        coalesce(observation.days_observed, 0),
        controls.days - coalesce(observation.days_observed, 0),
        coalesce(observation.days_with_failures, 0),
        coalesce(observation.days_with_undecided, 0),
        coalesce(observation.most_subjects, 0),
        controls.findings_opened,
        controls.fixed_in_time,
        controls.fixed_late,
        controls.ended_otherwise,
        controls.open_at_end,
        controls.overdue_at_end,
        controls.accepted_at_end,
        controls.changes,
        controls.changes_against,
        controls.changes_unknown
    FROM controls
    LEFT JOIN observation
        ON controls.framework = observation.framework AND controls.control = observation.control
    ORDER BY controls.framework, controls.control
$period$;

COMMENT ON FUNCTION compliance.control_period(text, date, date) IS
'Each control of each framework over a period of days (UTC): observed or not, failures, findings, changes, and its state: operated (observed on every day, every subject and every change decided, nothing failed), operated with exceptions, did not operate (nothing passed on any observed day), not observed.';

GRANT EXECUTE ON FUNCTION compliance.control_period(text, date, date)
TO compliance_pipeline, compliance_console, compliance_reader;
