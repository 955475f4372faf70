-- Purpose: the run's verdicts as current results; since-dates carry over from the last ones.
-- failing_since and due_at survive a pending or error interlude and end where the subject passes.

WITH verdicts AS (
    SELECT
        verdicts.*,
        tests.test_title,
        tests.severity,
        codes.remediation,
        encode(sha256(convert_to(verdicts.facts::text, 'UTF8')), 'hex') AS facts_hash,
        previous.status AS previous_status,
        previous.status_since AS previous_status_since,
        previous.failing_since AS previous_failing_since,
        previous.first_seen_at AS previous_first_seen_at
    FROM judged.verdicts AS verdicts
    INNER JOIN compliance.tests AS tests ON verdicts.test_id = tests.test_id AND tests.enabled
    LEFT JOIN compliance.reason_codes AS codes
        ON verdicts.test_id = codes.test_id AND verdicts.reason_code = codes.reason_code
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

SELECT
    dated.workspace,
    dated.test_id,
    dated.test_title,
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
    ) AS first_seen_at,
    CASE WHEN dated.previous_status = dated.status THEN dated.previous_status_since ELSE %(published_at)s END
        AS status_since,
    dated.failing_since,
    dated.failing_since + make_interval(days => (%(days_to_fix)s::jsonb ->> dated.severity)::integer) AS due_at,
    dated.data_as_of,
    CASE
        WHEN dated.data_as_of IS NOT null
            -- evidence supports a verdict until the day on which its validity ends begins
            THEN least(
                coalesce(dated.read_at, dated.data_as_of) + make_interval(secs => 3600.0 * %(max_data_age_hours)s),
                -- so do merge checks that were seen last
                CASE
                    WHEN dated.data_as_of < dated.read_at
                        THEN dated.data_as_of + make_interval(days => %(merge_checks_valid_days)s::integer)
                END,
                CASE
                    WHEN dated.basis = 'evidence'
                        THEN (
                            (dated.detail ->> 'captured_on')::date + %(evidence_validity_days)s::integer
                        )::timestamp AT TIME ZONE %(time_zone)s
                END
            )
    END AS fresh_until,
    dated.evaluated_at,
    dated.run_id,
    %(policy_version)s AS policy_version,
    dated.facts_hash,
    (dated.detail ->> 'bypassable')::boolean AS bypassable,
    (dated.detail ->> 'bypassed')::integer AS bypassed
FROM dated;
