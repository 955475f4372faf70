-- Purpose: the results of a workspace as they were published at an instant, with the dates they had then, in the
-- order and the columns of results_now.sql. What history does not keep is null: evaluated_at and fresh_until.

WITH known AS (
    SELECT
        history.test_id,
        history.subject_id,
        history.valid_from,
        history.status,
        history.reason_code IN ('removed_or_invisible', 'test_disabled') AS is_absent
    FROM compliance.result_history AS history
    WHERE history.workspace = %(workspace)s AND history.valid_from <= %(as_of)s
),

marked AS (
    SELECT
        known.*,
        min(known.valid_from) OVER (PARTITION BY known.test_id, known.subject_id) AS first_seen_at,
        (
            known.status IS DISTINCT FROM lag(known.status) OVER by_time
            OR lag(known.is_absent) OVER by_time IS DISTINCT FROM false
        )::integer AS begins
    FROM known
    WINDOW by_time AS (PARTITION BY known.test_id, known.subject_id ORDER BY known.valid_from)
),

numbered AS (
    SELECT
        marked.*,
        sum(marked.begins) OVER (
            PARTITION BY marked.test_id, marked.subject_id
            ORDER BY marked.valid_from
        ) AS status_number
    FROM marked
),

dated AS (
    SELECT
        numbered.test_id,
        numbered.subject_id,
        numbered.valid_from,
        numbered.first_seen_at,
        min(numbered.valid_from) OVER (
            PARTITION BY numbered.test_id, numbered.subject_id, numbered.status_number
        ) AS status_since
    FROM numbered
)

SELECT
    results.workspace,
    results.test_id,
    tests.test_title,
    results.severity,
    results.subject_type,
    results.subject_id,
    results.subject_name,
    results.status,
    results.basis,
    results.reason_code,
    results.reason,
    codes.remediation,
    results.detail,
    dated.first_seen_at,
    dated.status_since,
    results.failing_since,
    results.due_at,
    results.exception_id::text AS exception_id,
    results.evidence_id::text AS evidence_id,
    (results.detail ->> 'bypassable')::boolean AS bypassable,
    results.bypassed,
    results.data_as_of,
    null::timestamptz AS fresh_until,
    results.is_stale,
    null::timestamptz AS evaluated_at,
    results.run_id,
    results.policy_version,
    results.facts_hash,
    results.workspace_id,
    accepted.owner AS exception_owner,
    accepted.approver AS exception_approver,
    accepted.reason AS exception_reason,
    accepted.expires_at AS exception_expires_at,
    accepted.self_accepted AS exception_self_accepted,
    shown.self_accepted AS evidence_self_accepted
FROM compliance.results_as_of(%(as_of)s) AS results
INNER JOIN dated
    ON
        results.test_id = dated.test_id
        AND results.subject_id = dated.subject_id
        AND results.valid_from = dated.valid_from
LEFT JOIN compliance.tests AS tests ON results.test_id = tests.test_id
LEFT JOIN compliance.reason_codes AS codes
    ON results.test_id = codes.test_id AND results.reason_code = codes.reason_code
LEFT JOIN compliance.exceptions AS accepted ON results.exception_id = accepted.exception_id
LEFT JOIN compliance.evidence AS shown ON results.evidence_id = shown.evidence_id
WHERE results.workspace = %(workspace)s
ORDER BY tests.display_order, results.test_id, results.subject_id;
