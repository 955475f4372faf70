-- Purpose: assign open findings of a workspace, or take the assignment back; those that stand so already are not noted
-- again, unless something is said.

WITH asked AS (
    SELECT
        findings.finding_id,
        findings.workspace,
        findings.test_id,
        findings.subject_id,
        assignments.assigned_to AS was
    FROM compliance.finding_records AS findings
    LEFT JOIN registry.newest_finding_assignments AS assignments ON findings.finding_id = assignments.finding_id
    WHERE
        findings.workspace = %(workspace)s
        AND findings.ended_at IS null
        AND findings.finding_id::text = any(%(finding_ids)s::text[])
),

added AS (
    INSERT INTO registry.finding_assignments (workspace, finding_id, assigned_to, note, assigned_by)
    SELECT
        asked.workspace,
        asked.finding_id,
        %(assigned_to)s::text,
        %(note)s::text,
        %(assigned_by)s::text
    FROM asked
    WHERE asked.was IS DISTINCT FROM %(assigned_to)s::text OR %(note)s::text IS NOT null
    ORDER BY asked.test_id, asked.subject_id
    RETURNING finding_id
)

SELECT
    asked.test_id,
    asked.subject_id,
    asked.was,
    added.finding_id IS NOT null AS is_new
FROM asked
LEFT JOIN added ON asked.finding_id = added.finding_id
ORDER BY asked.test_id, asked.subject_id;
