-- Purpose: one page of the findings of some tests that were open at any moment of a period, each as it stood when the
-- period ended: what was open then comes first, and the newest of it.

WITH found AS (
    SELECT
        findings.finding_id,
        findings.workspace,
        findings.test_id,
        findings.subject_type,
        findings.subject_id,
        coalesce(findings.subject_name, findings.subject_id) AS subject_name,
        findings.severity,
        findings.reason_code,
        findings.found_at,
        findings.due_at,
        CASE WHEN findings.ended_at <= %(until)s::timestamptz THEN findings.ended_at END AS ended_at,
        findings.ended_because,
        CASE WHEN findings.ended_at > %(until)s::timestamptz THEN findings.ended_at END AS ended_later,
        least(findings.ended_at, %(until)s::timestamptz) AS seen_at
    FROM compliance.finding_records AS findings
    WHERE
        findings.workspace = %(workspace)s
        AND findings.test_id = any(%(test_ids)s::text[])
        AND findings.found_at <= %(until)s::timestamptz
        AND coalesce(findings.ended_at >= %(since)s::timestamptz, true)
),

shown AS (
    SELECT
        found.*,
        count(*) OVER () AS total
    FROM found
    ORDER BY (found.ended_at IS null) DESC, found.found_at DESC, found.finding_id ASC
    LIMIT %(limit)s::bigint OFFSET %(offset)s
),

accepted AS (
    SELECT DISTINCT shown.finding_id
    FROM shown
    INNER JOIN registry.exception_coverage AS coverage
        ON
            shown.workspace = coverage.workspace
            AND shown.test_id = coverage.test_id
            AND shown.subject_id = coverage.subject_id
            AND coverage.covers_from BETWEEN shown.found_at AND shown.seen_at
            AND shown.seen_at <= coverage.covers_until
)

SELECT
    shown.test_id,
    tests.test_title,
    shown.subject_type,
    shown.subject_id,
    shown.subject_name,
    shown.severity,
    shown.reason_code,
    shown.found_at,
    shown.due_at,
    shown.ended_at,
    shown.ended_because,
    shown.ended_later,
    accepted.finding_id IS NOT null AS accepted,
    shown.ended_at IS null AND shown.due_at < %(until)s::timestamptz AND accepted.finding_id IS null AS overdue,
    coalesce(shown.ended_at > shown.due_at, false) AS is_late,
    shown.total
FROM shown
INNER JOIN compliance.tests AS tests ON shown.test_id = tests.test_id
LEFT JOIN accepted ON shown.finding_id = accepted.finding_id
ORDER BY (shown.ended_at IS null) DESC, shown.found_at DESC, shown.finding_id ASC;
