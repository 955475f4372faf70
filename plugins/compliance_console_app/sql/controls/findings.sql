-- Purpose: one page of the findings of some tests that were open at any moment of a period, the newest first.

SELECT
    findings.test_id,
    tests.test_title,
    findings.subject_type,
    findings.subject_id,
    coalesce(findings.subject_name, findings.subject_id) AS subject_name,
    findings.severity,
    findings.reason_code,
    findings.found_at,
    findings.due_at,
    findings.ended_at,
    findings.ended_because,
    findings.accepted,
    findings.overdue,
    coalesce(findings.ended_at > findings.due_at, false) AS is_late,
    count(*) OVER () AS total
FROM compliance.findings AS findings
INNER JOIN compliance.tests AS tests ON findings.test_id = tests.test_id
WHERE
    findings.workspace = %(workspace)s
    AND findings.test_id = any(%(test_ids)s::text[])
    AND findings.found_at <= %(until)s::timestamptz
    AND coalesce(findings.ended_at >= %(since)s::timestamptz, true)
ORDER BY (findings.ended_at IS null) DESC, findings.found_at DESC, findings.finding_id ASC
LIMIT %(limit)s::bigint OFFSET %(offset)s;
