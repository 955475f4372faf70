-- Purpose: what people may be told of: newly failing, fixed, overdue, evidence within 14 days of its end, exceptions
-- that re-opened. change_key names a change for good, whichever run sees it.

CREATE VIEW integration.notifiable_changes AS
WITH workspaces AS (
    SELECT DISTINCT runs.workspace
    FROM compliance.runs AS runs
    WHERE runs.status = 'published'
),

-- Each with what tells it from every other change of its kind.
found AS (
    SELECT
        findings.workspace,
        'failing' AS kind,
        findings.failing_since AS occurred_at,
        findings.test_id,
        findings.severity,
        findings.subject_type,
        findings.subject_id,
        findings.subject_name,
        findings.reason,
        findings.due_at,
        concat_ws('|', findings.test_id, findings.subject_id, extract(EPOCH FROM findings.failing_since)) AS told_apart
    FROM compliance.open_findings AS findings
    UNION ALL
    SELECT
        findings.workspace,
        'overdue' AS kind,
        findings.due_at AS occurred_at,
        findings.test_id,
        findings.severity,
        findings.subject_type,
        findings.subject_id,
        findings.subject_name,
        findings.reason,
        findings.due_at,
        concat_ws('|', findings.test_id, findings.subject_id, extract(EPOCH FROM findings.due_at)) AS told_apart
    FROM compliance.open_findings AS findings
    WHERE findings.is_overdue
    UNION ALL
    SELECT
        findings.workspace,
        'fixed' AS kind,
        findings.ended_at AS occurred_at,
        findings.test_id,
        findings.severity,
        findings.subject_type,
        findings.subject_id,
        findings.subject_name,
        null AS reason,
        findings.due_at,
        concat_ws('|', findings.test_id, findings.subject_id, extract(EPOCH FROM findings.ended_at)) AS told_apart
    FROM compliance.findings AS findings
    WHERE findings.ended_because = 'fixed'
    UNION ALL
    SELECT
        workspaces.workspace,
        'expiring' AS kind,
        evidence.valid_until - interval '14 days' AS occurred_at,
        evidence.test_id,
        tests.severity,
        'evidence' AS subject_type,
        evidence.evidence_id::text AS subject_id,
        coalesce(evidence.file_name, evidence.kind) AS subject_name,
        null AS reason,
        evidence.valid_until AS due_at,
        concat_ws('|', evidence.evidence_id, extract(EPOCH FROM evidence.valid_until)) AS told_apart
    FROM compliance.evidence AS evidence
    INNER JOIN workspaces
        ON evidence.workspace IS null OR lower(evidence.workspace) = lower(workspaces.workspace)
    LEFT JOIN compliance.tests AS tests ON evidence.test_id = tests.test_id
    WHERE
        evidence.status = 'accepted'
        AND now() BETWEEN evidence.valid_until - interval '14 days' AND evidence.valid_until
        -- newer evidence about the same has taken its place already
        AND NOT EXISTS (
            SELECT 1
            FROM compliance.evidence AS newer
            WHERE
                newer.status = 'accepted'
                AND newer.test_id = evidence.test_id
                AND newer.scope = evidence.scope
                AND newer.targets @> evidence.targets
                AND newer.workspace IS NOT DISTINCT FROM evidence.workspace
                AND newer.valid_until > evidence.valid_until
        )
    UNION ALL
    SELECT
        endings.workspace,
        'reopened' AS kind,
        endings.ended_at AS occurred_at,
        endings.test_id,
        findings.severity,
        findings.subject_type,
        endings.subject_id,
        findings.subject_name,
        endings.cause AS reason,
        findings.due_at,
        concat_ws('|', endings.exception_id, endings.subject_id) AS told_apart
    FROM compliance.exception_endings AS endings
    -- where it no longer fails there is nothing to re-open
    INNER JOIN compliance.open_findings AS findings
        ON
            endings.workspace = findings.workspace
            AND endings.test_id = findings.test_id
            AND endings.subject_id = findings.subject_id
            AND endings.ended_at >= findings.failing_since
            AND endings.cause <> 'finding_ended'
)

SELECT
    found.workspace,
    found.kind,
    found.occurred_at,
    found.test_id,
    found.severity,
    found.subject_type,
    found.subject_id,
    found.subject_name,
    found.reason,
    found.due_at,
    concat_ws('|', found.kind, found.workspace, found.told_apart) AS change_key
FROM found;

GRANT SELECT ON TABLE integration.notifiable_changes TO compliance_pipeline;
