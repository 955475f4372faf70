-- What is overdue, and who accepted which risk until when?
-- Purpose: open findings past their due date, and those whose risk somebody accepted, with who did.

SELECT
    open_findings.test_id,
    open_findings.subject_name,
    open_findings.failing_since::date AS found,
    open_findings.due_at::date AS due,
    open_findings.is_overdue,
    exceptions.owner AS risk_owner,
    exceptions.approver AS accepted_by,
    (exceptions.expires_at - interval '1 second')::date AS accepted_until
FROM compliance.open_findings AS open_findings
LEFT JOIN compliance.exceptions AS exceptions ON open_findings.exception_id = exceptions.exception_id
WHERE
    open_findings.workspace = 'demo-workspace'
    AND (open_findings.is_overdue OR open_findings.exception_id IS NOT null)
ORDER BY
    open_findings.is_overdue ASC,
    open_findings.due_at ASC,
    open_findings.test_id ASC,
    open_findings.subject_name ASC;
