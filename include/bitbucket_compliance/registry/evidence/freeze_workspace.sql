-- Purpose: freeze that evidence covers its workspace.

INSERT INTO registry.evidence_subjects (evidence_id, workspace, subject_type, subject_id, subject_name)
SELECT
    evidence.evidence_id,
    workspaces.workspace,
    'workspace' AS subject_type,
    workspaces.workspace_id,
    workspaces.workspace AS subject_name
FROM registry.evidence AS evidence
INNER JOIN staging.workspaces AS workspaces ON evidence.workspace = lower(workspaces.workspace)
WHERE evidence.evidence_id = %(evidence_id)s::uuid;
