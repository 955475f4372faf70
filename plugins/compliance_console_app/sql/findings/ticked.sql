-- Purpose: open findings of a workspace by their ids.

SELECT
    findings.test_id,
    findings.subject_id
FROM compliance.open_findings AS findings
WHERE findings.workspace = %(workspace)s AND findings.finding_id::text = any(%(ids)s::text[])
ORDER BY findings.test_id, findings.subject_name;
