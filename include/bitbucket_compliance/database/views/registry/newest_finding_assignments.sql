-- Purpose: the assignment of each finding that stands: the newest one.

CREATE VIEW registry.newest_finding_assignments AS
SELECT DISTINCT ON (assignments.finding_id)
    assignments.finding_id,
    assignments.workspace,
    assignments.assigned_to,
    assignments.note,
    assignments.assigned_by,
    assignments.assigned_at
FROM registry.finding_assignments AS assignments
ORDER BY assignments.finding_id ASC, assignments.assignment_id DESC;

GRANT SELECT ON registry.newest_finding_assignments TO compliance_pipeline, compliance_console;
