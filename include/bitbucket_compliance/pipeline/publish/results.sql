-- Purpose: the run's verdicts as current results; since-dates carry over from the last ones, failing_since and due_at
-- are those of the open finding.

WITH verdicts AS (
    SELECT
        verdicts.*,
        tests.test_title,
        policies.severity,
        codes.remediation,
        encode(sha256(convert_to(verdicts.facts::text, 'UTF8')), 'hex') AS facts_hash,
        previous.status AS previous_status,
        previous.status_since AS previous_status_since,
        previous.first_seen_at AS previous_first_seen_at,
        findings.found_at AS failing_since,
        findings.due_at,
        -- evidence supports a verdict until the day on which its validity ends begins
        CASE
            WHEN verdicts.basis = 'evidence'
                THEN (
                    (verdicts.detail ->> 'captured_on')::date + %(evidence_validity_days)s::integer
                )::timestamp AT TIME ZONE %(time_zone)s
        END AS evidence_until
    FROM judged.verdicts AS verdicts
    INNER JOIN compliance.tests AS tests ON verdicts.test_id = tests.test_id
    INNER JOIN
        jsonb_to_recordset(%(policies)s::jsonb) AS policies (test_id text, severity text, enabled boolean)
        ON verdicts.test_id = policies.test_id AND policies.enabled
    LEFT JOIN compliance.reason_codes AS codes
        ON verdicts.test_id = codes.test_id AND verdicts.reason_code = codes.reason_code
    LEFT JOIN compliance.results AS previous
        ON
            verdicts.workspace = previous.workspace
            AND verdicts.test_id = previous.test_id
            AND verdicts.subject_id = previous.subject_id
    LEFT JOIN compliance.finding_records AS findings
        ON
            verdicts.workspace = findings.workspace
            AND verdicts.test_id = findings.test_id
            AND verdicts.subject_id = findings.subject_id
            AND findings.ended_at IS null
    WHERE verdicts.workspace = %(workspace)s AND verdicts.run_id = %(run_id)s
)

SELECT
    verdicts.workspace,
    verdicts.test_id,
    verdicts.test_title,
    verdicts.severity,
    verdicts.subject_type,
    verdicts.subject_id,
    verdicts.subject_name,
    verdicts.status,
    verdicts.basis,
    verdicts.reason_code,
    verdicts.reason,
    verdicts.remediation,
    verdicts.detail,
    coalesce(
        verdicts.previous_first_seen_at,
        -- a subject that was gone for a while
        (
            SELECT min(history.valid_from)
            FROM compliance.result_history AS history
            WHERE
                history.workspace = verdicts.workspace
                AND history.test_id = verdicts.test_id
                AND history.subject_id = verdicts.subject_id
        ),
        %(published_at)s
    ) AS first_seen_at,
    CASE WHEN verdicts.previous_status = verdicts.status THEN verdicts.previous_status_since ELSE %(published_at)s END
        AS status_since,
    verdicts.failing_since,
    verdicts.due_at,
    verdicts.data_as_of,
    CASE
        WHEN verdicts.data_as_of IS NOT null
            THEN least(
                coalesce(verdicts.read_at, verdicts.data_as_of)
                + make_interval(secs => 3600.0 * %(max_data_age_hours)s),
                -- so do merge checks that were seen last
                CASE
                    WHEN verdicts.data_as_of < verdicts.read_at
                        THEN verdicts.data_as_of + make_interval(days => %(merge_checks_valid_days)s::integer)
                END,
                verdicts.evidence_until,
                -- a roster that is too old decides nothing
                CASE
                    WHEN verdicts.basis = 'registry' THEN (verdicts.detail ->> 'roster_counts_until')::timestamptz
                END
            )
    END AS fresh_until,
    verdicts.evaluated_at,
    verdicts.run_id,
    %(policy_version)s AS policy_version,
    verdicts.facts_hash,
    (verdicts.detail ->> 'bypassable')::boolean AS bypassable,
    (verdicts.detail ->> 'bypassed')::integer AS bypassed,
    (verdicts.detail ->> 'evidence_id')::uuid AS evidence_id,
    verdicts.evidence_until,
    %(workspace_id)s AS workspace_id
FROM verdicts;
