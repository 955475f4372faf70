-- Purpose: the open findings on one subject, each with every assignment of it, the newest first.

SELECT
    findings.finding_id,
    findings.test_id,
    findings.test_title,
    findings.failing_since,
    findings.due_at,
    findings.assigned_to,
    coalesce(
        (
            SELECT
                jsonb_agg(
                    jsonb_build_object(
                        'to', assignments.assigned_to,
                        'by', assignments.assigned_by,
                        'at', assignments.assigned_at,
                        'note', assignments.note
                    )
                    ORDER BY assignments.assignment_id DESC
                )
            FROM registry.finding_assignments AS assignments
            WHERE assignments.finding_id = findings.finding_id
        ),
        '[]'
    ) AS assignments
FROM compliance.open_findings AS findings
WHERE findings.workspace = %(workspace)s AND findings.subject_id = %(subject_id)s
ORDER BY findings.due_at ASC NULLS LAST, findings.test_id ASC;
