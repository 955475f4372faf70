-- Purpose: what is known of each test over a period of days (UTC, the last one counts): on which days it was observed,
-- what failed, what was found and mended, and what that says of it.

CREATE FUNCTION compliance.test_period(in_workspace text, first_day date, last_day date)
RETURNS TABLE (
    test_id text, state text, days integer, days_observed integer, days_not_observed integer,
    days_with_failures integer, days_with_undecided integer, most_subjects bigint, findings_opened bigint,
    fixed_in_time bigint, fixed_late bigint, ended_otherwise bigint, open_at_end bigint, overdue_at_end bigint,
    accepted_at_end bigint, changes bigint, changes_against bigint, changes_unknown bigint
)
LANGUAGE sql STABLE
AS $period$
    WITH period AS MATERIALIZED (
        SELECT
            asked.starts_at,
            least(asked.ends_at, now()) AS ends_at,
            greatest(asked.until_day - first_day + 1, 0) AS days
        FROM (
            SELECT
                first_day::timestamp AT TIME ZONE 'UTC' AS starts_at,
                (last_day + 1)::timestamp AT TIME ZONE 'UTC' AS ends_at,
                least(last_day, (now() AT TIME ZONE 'UTC')::date) AS until_day
        ) AS asked
    ),

    -- Days on which something was found count too where it was mended before they ended.
    observation AS (
        SELECT
            by_day.test_id,
            count(*) FILTER (WHERE by_day.observed)::integer AS days_observed,
            count(*) FILTER (WHERE by_day.failing + by_day.opened > 0)::integer AS days_with_failures,
            count(*) FILTER (
                WHERE by_day.pending + by_day.error + by_day.stale > 0
            )::integer AS days_with_undecided,
            bool_or(by_day.effective > 0) AS something_passed,
            max(by_day.passing + by_day.failing + by_day.pending + by_day.error) AS most_subjects
        FROM compliance.test_days(in_workspace, first_day, last_day) AS by_day
        GROUP BY by_day.test_id
    ),

    -- What an exception covered at the end of the period, as compliance.results_as_of has it.
    accepted AS (
        SELECT DISTINCT
            held.test_id,
            held.subject_id
        FROM compliance.result_history AS held
        CROSS JOIN period
        LEFT JOIN compliance.exceptions AS expired
            ON held.exception_id = expired.exception_id AND expired.expires_at < period.ends_at
        WHERE
            held.workspace = in_workspace
            AND held.exception_id IS NOT null
            AND held.valid_from < period.ends_at
            AND (held.valid_to IS null OR held.valid_to >= period.ends_at)
            AND held.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
            AND expired.exception_id IS null
            AND held.workspace NOT IN (
                SELECT kept.workspace FROM compliance.history_kept AS kept WHERE kept.kept_from >= period.ends_at
            )
    ),

    of_findings AS (
        SELECT
            found.test_id,
            count(*) FILTER (WHERE found.found_at >= period.starts_at) AS opened,
            count(*) FILTER (
                WHERE found.ended_at < period.ends_at AND found.ended_because = 'fixed'
                AND found.ended_at <= found.due_at
            ) AS fixed_in_time,
            count(*) FILTER (
                WHERE found.ended_at < period.ends_at AND found.ended_because = 'fixed'
                AND found.ended_at > found.due_at
            ) AS fixed_late,
            count(*) FILTER (
                WHERE found.ended_at < period.ends_at AND found.ended_because <> 'fixed'
            ) AS ended_otherwise,
            count(*) FILTER (WHERE (found.ended_at < period.ends_at) IS NOT true) AS open_at_end,
            count(*) FILTER (
                WHERE (found.ended_at < period.ends_at) IS NOT true
                AND found.due_at < period.ends_at AND accepted.subject_id IS null
            ) AS overdue_at_end,
            count(*) FILTER (
                WHERE (found.ended_at < period.ends_at) IS NOT true AND accepted.subject_id IS NOT null
            ) AS accepted_at_end
        FROM compliance.findings AS found
        CROSS JOIN period
        LEFT JOIN accepted ON found.test_id = accepted.test_id AND found.subject_id = accepted.subject_id
        WHERE
            found.workspace = in_workspace
            AND found.found_at < period.ends_at
            AND (found.ended_at IS null OR found.ended_at >= period.starts_at)
        GROUP BY found.test_id
    ),

    -- Only two tests say of each change whether they hold for it.
    counted_changes AS (
        SELECT
            count(*) AS changes,
            count(*) FILTER (WHERE NOT changes.peer_reviewed) AS not_reviewed,
            count(*) FILTER (WHERE changes.peer_reviewed IS null) AS review_not_known,
            count(*) FILTER (WHERE NOT changes.status_checks_passed) AS not_checked,
            count(*) FILTER (WHERE changes.status_checks_passed IS null) AS checks_not_known
        FROM compliance.changes AS changes
        CROSS JOIN period
        WHERE
            changes.workspace = in_workspace
            AND changes.in_scope
            AND changes.merged_on >= period.starts_at
            AND changes.merged_on < period.ends_at
    ),

    of_changes AS (
        SELECT
            judged.test_id,
            counted_changes.changes,
            judged.against,
            judged.not_known
        FROM counted_changes
        CROSS JOIN
            LATERAL (
                VALUES
                ('peer_review_required', counted_changes.not_reviewed, counted_changes.review_not_known),
                ('status_checks_required', counted_changes.not_checked, counted_changes.checks_not_known)
            ) AS judged (test_id, against, not_known)
        WHERE counted_changes.changes > 0
    )

    SELECT
        tests.test_id,
        compliance.period_state(
            period.days,
            observation.days_observed,
            observation.days_with_failures,
            observation.days_with_undecided,
            observation.something_passed,
            coalesce(of_changes.against, 0) + coalesce(of_changes.not_known, 0)
        ),
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
        of_changes.changes,
        of_changes.against,
        of_changes.not_known
    FROM compliance.tests AS tests
    CROSS JOIN period
    LEFT JOIN observation ON tests.test_id = observation.test_id
    LEFT JOIN of_findings ON tests.test_id = of_findings.test_id
    LEFT JOIN of_changes ON tests.test_id = of_changes.test_id
    WHERE period.days > 0
    ORDER BY tests.display_order, tests.test_id
$period$;

COMMENT ON FUNCTION compliance.test_period(text, date, date) IS
'Each test over a period of days (UTC): observed or not, failures, findings, changes, and its state, as control_period tells them of controls.';

GRANT EXECUTE ON FUNCTION compliance.test_period(text, date, date)
TO compliance_pipeline, compliance_console, compliance_reader;
