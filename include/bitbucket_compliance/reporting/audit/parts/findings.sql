-- Purpose: the failures that were there on a day of the period.

SELECT findings.*
FROM compliance.findings AS findings
WHERE
    findings.workspace = %(workspace)s
    AND findings.found_at < %(ends_at)s
    AND (findings.ended_at IS null OR findings.ended_at >= %(starts_at)s)
ORDER BY findings.found_at, findings.finding_id;
