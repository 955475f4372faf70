-- Purpose: the evidence that was handed in before the period ended, for the workspace or for all.

SELECT evidence.*
FROM compliance.evidence AS evidence
WHERE
    (evidence.workspace = %(workspace)s OR evidence.workspace IS null)
    AND evidence.submitted_at < %(ends_at)s
ORDER BY evidence.submitted_at, evidence.evidence_id;
