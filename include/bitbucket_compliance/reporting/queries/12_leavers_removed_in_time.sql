-- Was the access of everybody who left removed in time?
-- Purpose: each person who left in a half-year, what became of their access, and the finding that was opened on it.
-- Role: compliance_people_reader
-- State "not known" never counts as removed; not_known_because says what would have to be read.

SELECT
    leavers.name,
    leavers.last_working_day,
    leavers.last_seen_on,
    leavers.found_removed_on,
    leavers.days_late,
    leavers.state,
    leavers.not_known_because,
    findings.due_at::date AS finding_due_on
FROM compliance.leavers AS leavers
LEFT JOIN compliance.findings AS findings
    ON
        leavers.workspace = findings.workspace
        AND leavers.member_id = findings.subject_id
        AND findings.test_id = 'offboarded_access_removed'
WHERE
    leavers.workspace = 'demo-workspace'
    AND leavers.last_working_day BETWEEN '2025-10-01' AND '2026-03-31'
ORDER BY leavers.last_working_day ASC, leavers.name ASC;
