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
    WITH period AS MATERIALIZED (
        SELECT
            asked.starts_at,
            least(asked.ends_at, now()) AS ends_at,
            asked.until_day,
            greatest(asked.until_day - first_day + 1, 0) AS days
        FROM (
            SELECT
                first_day::timestamp AT TIME ZONE 'UTC' AS starts_at,
                (last_day + 1)::timestamp AT TIME ZONE 'UTC' AS ends_at,
                least(last_day, (now() AT TIME ZONE 'UTC')::date) AS until_day
        ) AS asked
    ),

    mapped AS (
        SELECT
            controls.framework,
            controls.control,
            controls.title,
            controls.strength,
            controls.test_id
        FROM compliance.test_controls AS controls
    ),

    -- A test of which everything is stale, or nothing is decided, was not observed, whatever was published.
    by_day AS (
        SELECT
            trend.test_id,
            trend.day,
            bool_or(trend.observed)
            AND sum(trend.passing + trend.failing) > 0
            AND sum(trend.stale) < sum(trend.passing + trend.failing + trend.pending + trend.error) AS observed,
            sum(trend.failing) AS failing,
            sum(trend.pending + trend.error + trend.stale) AS undecided,
            sum(trend.effective) > 0 AS something_passed,
            sum(trend.passing + trend.failing + trend.pending + trend.error)::bigint AS subjects
        FROM compliance.daily_trend AS trend
        CROSS JOIN period
        WHERE trend.workspace = in_workspace AND trend.day BETWEEN first_day AND period.until_day
        GROUP BY trend.test_id, trend.day
    ),

    findings AS MATERIALIZED (
        SELECT
            found.test_id,
            (found.found_at AT TIME ZONE 'UTC')::date AS found_day,
            found.found_at >= period.starts_at AS is_new,
            found.ended_at < period.ends_at AS has_ended,
            found.ended_because,
            found.ended_at > found.due_at AS is_late,
            found.due_at < period.ends_at AS is_due,
            accepted.subject_id IS NOT null AS is_accepted
        FROM compliance.findings AS found
        CROSS JOIN period
        LEFT JOIN (
            SELECT DISTINCT
                held.test_id,
                held.subject_id
            FROM period
            CROSS JOIN LATERAL compliance.results_as_of(period.ends_at - interval '1 microsecond') AS held
            WHERE held.workspace = in_workspace AND held.exception_id IS NOT null
        ) AS accepted
            ON found.test_id = accepted.test_id AND found.subject_id = accepted.subject_id
        WHERE
            found.workspace = in_workspace
            AND found.found_at < period.ends_at
            AND (found.ended_at IS null OR found.ended_at >= period.starts_at)
    ),

    -- Days on which something was found count too where it was mended before they ended.
    control_days AS (
        SELECT
            mapped.framework,
            mapped.control,
            by_day.day,
            bool_and(by_day.observed) AS observed,
            bool_or(by_day.failing > 0 OR found.test_id IS NOT null) AS has_failures,
            bool_or(by_day.undecided > 0) AS has_undecided,
            bool_or(by_day.something_passed) AS something_passed,
            max(by_day.subjects) AS subjects
        FROM mapped
        INNER JOIN by_day ON mapped.test_id = by_day.test_id
        LEFT JOIN (
            SELECT DISTINCT
                findings.test_id,
                findings.found_day
            FROM findings
        ) AS found
            ON by_day.test_id = found.test_id AND by_day.day = found.found_day
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

    of_findings AS (
        SELECT
            mapped.framework,
            mapped.control,
            count(*) FILTER (WHERE findings.is_new) AS opened,
            count(*) FILTER (
                WHERE findings.has_ended AND findings.ended_because = 'fixed' AND NOT findings.is_late
            ) AS fixed_in_time,
            count(*) FILTER (
                WHERE findings.has_ended AND findings.ended_because = 'fixed' AND findings.is_late
            ) AS fixed_late,
            count(*) FILTER (WHERE findings.has_ended AND findings.ended_because <> 'fixed') AS ended_otherwise,
            count(*) FILTER (WHERE findings.has_ended IS NOT true) AS open_at_end,
            count(*) FILTER (
                WHERE findings.has_ended IS NOT true AND findings.is_due AND NOT findings.is_accepted
            ) AS overdue_at_end,
            count(*) FILTER (WHERE findings.has_ended IS NOT true AND findings.is_accepted) AS accepted_at_end
        FROM mapped
        INNER JOIN findings ON mapped.test_id = findings.test_id
        GROUP BY mapped.framework, mapped.control
    ),

    -- Only two tests say of each change whether they hold for it.
    of_changes AS (
        SELECT
            judged.test_id,
            count(*) AS changes,
            count(*) FILTER (WHERE NOT judged.holds) AS against,
            count(*) FILTER (WHERE judged.holds IS null) AS not_known
        FROM compliance.changes AS changes
        CROSS JOIN period
        CROSS JOIN
            LATERAL (
                VALUES
                ('peer_review_required', changes.peer_reviewed),
                ('status_checks_required', changes.status_checks_passed)
            ) AS judged (test_id, holds)
        WHERE
            changes.workspace = in_workspace
            AND changes.in_scope
            AND changes.merged_on >= period.starts_at
            AND changes.merged_on < period.ends_at
        GROUP BY judged.test_id
    ),

    controls AS (
        SELECT
            mapped.framework,
            mapped.control,
            max(mapped.title) AS title,
            array_agg(mapped.test_id ORDER BY mapped.test_id) AS tests,
            min(mapped.strength) AS strength,
            max(of_changes.changes) AS changes,
            sum(of_changes.against)::bigint AS changes_against,
            sum(of_changes.not_known)::bigint AS changes_unknown
        FROM mapped
        LEFT JOIN of_changes ON mapped.test_id = of_changes.test_id
        GROUP BY mapped.framework, mapped.control
    )

    SELECT
        controls.framework,
        controls.control,
        controls.title,
        controls.tests,
        controls.strength,
        CASE
            WHEN coalesce(observation.days_observed, 0) = 0 THEN 'not observed'
            WHEN observation.something_passed IS NOT true THEN 'did not operate'
            WHEN
                observation.days_observed = period.days
                AND observation.days_with_failures = 0
                AND observation.days_with_undecided = 0
                -- a change of which nobody knows is no proof either
                AND coalesce(controls.changes_against, 0) + coalesce(controls.changes_unknown, 0) = 0
                THEN 'operated'
            ELSE 'operated with exceptions'
        END,
        period.days,
        coalesce(observation.days_observed, 0),
        period.days - coalesce(observation.days_observed, 0),
        coalesce(observation.days_with_failures, 0),
        coalesce(observation.days_with_undecided, 0),
        coalesce(observation.most_subjects, 0),
        coalesce(of_findings.opened, 0),
        coalesce(of_findings.fixed_in_time, 0),
        coalesce(of_findings.fixed_late, 0),
        coalesce(of_findings.ended_otherwise, 0),
        coalesce(of_findings.open_at_end, 0),
        coalesce(of_findings.overdue_at_end, 0),
        coalesce(of_findings.accepted_at_end, 0),
        controls.changes,
        controls.changes_against,
        controls.changes_unknown
    FROM controls
    CROSS JOIN period
    LEFT JOIN observation
        ON controls.framework = observation.framework AND controls.control = observation.control
    LEFT JOIN of_findings
        ON controls.framework = of_findings.framework AND controls.control = of_findings.control
    WHERE period.days > 0
    ORDER BY controls.framework, controls.control
$period$;

COMMENT ON FUNCTION compliance.control_period(text, date, date) IS
'Each control of each framework over a period of days (UTC): observed or not, failures, findings, changes, and its state: operated (observed on every day, every subject and every change decided, nothing failed), operated with exceptions, did not operate (nothing passed on any observed day), not observed.';

GRANT EXECUTE ON FUNCTION compliance.control_period(text, date, date)
TO compliance_pipeline, compliance_console, compliance_reader;
