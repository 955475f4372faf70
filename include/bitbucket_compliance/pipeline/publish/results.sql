-- Purpose: replace the workspace's current results by the run's verdicts; since-dates carry over from the last ones.
-- failing_since and due_at survive a pending or error interlude and end where the subject passes.

WITH catalogue AS (
    SELECT
        tests.test_id,
        tests.title,
        tests.severity,
        tests.days_to_fix
    FROM unnest(
        %(test_ids)s::text[], %(titles)s::text[], %(severities)s::text[], %(days_to_fix)s::integer[]
    ) AS tests (test_id, title, severity, days_to_fix)
),

remediations AS (
    SELECT
        reasons.test_id,
        reasons.reason_code,
        reasons.remediation
    FROM unnest(
        %(reason_test_ids)s::text[], %(reason_codes)s::text[], %(remediations)s::text[]
    ) AS reasons (test_id, reason_code, remediation)
),

verdicts AS (
    SELECT
        verdicts.*,
        catalogue.title,
        catalogue.severity,
        catalogue.days_to_fix,
        remediations.remediation,
        encode(sha256(convert_to(verdicts.facts::text, 'UTF8')), 'hex') AS facts_hash,
        previous.status AS previous_status,
        previous.status_since AS previous_status_since,
        previous.failing_since AS previous_failing_since,
        previous.first_seen_at AS previous_first_seen_at
    FROM judged.verdicts AS verdicts
    INNER JOIN catalogue ON verdicts.test_id = catalogue.test_id
    LEFT JOIN remediations
        ON verdicts.test_id = remediations.test_id AND verdicts.reason_code = remediations.reason_code
    LEFT JOIN compliance.results AS previous
        ON
            verdicts.workspace = previous.workspace
            AND verdicts.test_id = previous.test_id
            AND verdicts.subject_id = previous.subject_id
    WHERE verdicts.workspace = %(workspace)s AND verdicts.run_id = %(run_id)s
),

dated AS (
    SELECT
        verdicts.*,
        CASE
            WHEN verdicts.status = 'failing' THEN coalesce(verdicts.previous_failing_since, %(published_at)s)
            WHEN verdicts.status IN ('pending', 'error') THEN verdicts.previous_failing_since
        END AS failing_since
    FROM verdicts
)

INSERT INTO compliance.results AS results (
    workspace,
    test_id,
    test_title,
    severity,
    subject_type,
    subject_id,
    subject_name,
    status,
    basis,
    reason_code,
    reason,
    remediation,
    detail,
    first_seen_at,
    status_since,
    failing_since,
    due_at,
    data_as_of,
    fresh_until,
    evaluated_at,
    run_id,
    policy_version,
    facts_hash
)
SELECT
    dated.workspace,
    dated.test_id,
    dated.title,
    dated.severity,
    dated.subject_type,
    dated.subject_id,
    dated.subject_name,
    dated.status,
    dated.basis,
    dated.reason_code,
    dated.reason,
    dated.remediation,
    dated.detail,
    coalesce(
        dated.previous_first_seen_at,
        -- a subject that was gone for a while
        (
            SELECT min(history.valid_from)
            FROM compliance.result_history AS history
            WHERE
                history.workspace = dated.workspace
                AND history.test_id = dated.test_id
                AND history.subject_id = dated.subject_id
        ),
        %(published_at)s
    ),
    CASE WHEN dated.previous_status = dated.status THEN dated.previous_status_since ELSE %(published_at)s END,
    dated.failing_since,
    dated.failing_since + make_interval(days => dated.days_to_fix),
    dated.data_as_of,
    CASE
        WHEN dated.data_as_of IS NOT null
            -- evidence supports a verdict until the day on which its validity ends begins
            THEN least(
                dated.data_as_of + make_interval(secs => 3600.0 * %(max_data_age_hours)s),
                CASE
                    WHEN dated.basis = 'evidence'
                        THEN (
                            (dated.detail ->> 'captured_on')::date + %(evidence_validity_days)s::integer
                        )::timestamp AT TIME ZONE %(time_zone)s
                END
            )
    END,
    dated.evaluated_at,
    dated.run_id,
    %(policy_version)s,
    dated.facts_hash
FROM dated
ON CONFLICT (workspace, test_id, subject_id) DO UPDATE
    SET
        test_title = excluded.test_title,
        severity = excluded.severity,
        subject_type = excluded.subject_type,
        subject_name = excluded.subject_name,
        status = excluded.status,
        basis = excluded.basis,
        reason_code = excluded.reason_code,
        reason = excluded.reason,
        remediation = excluded.remediation,
        detail = excluded.detail,
        first_seen_at = excluded.first_seen_at,
        status_since = excluded.status_since,
        failing_since = excluded.failing_since,
        due_at = excluded.due_at,
        data_as_of = excluded.data_as_of,
        fresh_until = excluded.fresh_until,
        evaluated_at = excluded.evaluated_at,
        run_id = excluded.run_id,
        policy_version = excluded.policy_version,
        facts_hash = excluded.facts_hash;
