-- Who had access when they left?
-- Purpose: accounts that outlived the employment of their person, and what became of the access.
-- Role: compliance_people_reader
-- The last working day is null where the roster names none, and for accounts that are gone: employment is shown of
-- members alone.

SELECT
    findings.subject_name,
    members.role,
    employment.hr_end_date AS last_working_day,
    findings.found_at::date AS seen_after_leaving,
    members.last_accessed::date AS last_seen,
    CASE
        WHEN findings.ended_at IS null AND members.member_id IS null THEN 'no longer listed'
        WHEN findings.ended_at IS null THEN 'still has access'
        WHEN findings.ended_because = 'removed' THEN 'access removed'
        ELSE 'no longer gone: ' || findings.ended_reason_code
    END AS access_now,
    findings.ended_at::date AS ended_on
FROM compliance.findings AS findings
LEFT JOIN compliance.members AS members
    ON findings.workspace = members.workspace AND findings.subject_id = members.member_id
LEFT JOIN compliance.member_employment AS employment
    ON findings.workspace = employment.workspace AND findings.subject_id = employment.member_id
WHERE findings.workspace = 'demo-workspace' AND findings.test_id = 'offboarded_access_removed'
ORDER BY findings.found_at ASC, findings.subject_name ASC;
