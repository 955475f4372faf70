-- Purpose: judge workspace_mfa_enforced: does accepted, unexpired evidence show that two-step verification is required?
-- An export that lists members proves what each of them did, not that anything requires it.

WITH newest AS (
    SELECT DISTINCT ON (workspaces.workspace)
        workspaces.workspace,
        workspaces.workspace_id,
        workspaces.data_as_of,
        evidence.evidence_id,
        evidence.captured_on,
        coalesce(evidence.captured_on + %(evidence_validity_days)s::integer > %(today)s::date, false) AS is_valid
    FROM staging.workspaces AS workspaces
    LEFT JOIN registry.evidence_states AS evidence
        ON
            evidence.test_id = 'workspace_mfa_enforced'
            AND evidence.scope = 'workspace'
            AND evidence.status = 'accepted'
            AND evidence.captured_on <= %(today)s::date
            AND (evidence.workspace IS null OR evidence.workspace = lower(workspaces.workspace))
    WHERE workspaces.workspace = %(workspace)s
    ORDER BY workspaces.workspace ASC, evidence.captured_on DESC NULLS LAST, evidence.submitted_at DESC NULLS LAST
)

INSERT INTO judged.verdicts (
    workspace,
    run_id,
    test_id,
    subject_type,
    subject_id,
    subject_name,
    status,
    basis,
    reason_code,
    reason,
    detail,
    facts,
    data_as_of,
    evaluated_at
)
SELECT
    newest.workspace,
    %(run_id)s,
    'workspace_mfa_enforced',
    'workspace',
    newest.workspace_id,
    newest.workspace AS subject_name,
    CASE WHEN newest.is_valid THEN 'passing' ELSE 'pending' END,
    CASE WHEN newest.is_valid THEN 'evidence' END,
    CASE
        WHEN newest.is_valid THEN 'evidence_accepted'
        WHEN newest.evidence_id IS NOT null THEN 'evidence_expired'
        ELSE 'evidence_missing'
    END,
    CASE
        WHEN newest.is_valid
            THEN format('Evidence captured on %%s shows that two-step verification is required.', newest.captured_on)
        WHEN newest.evidence_id IS NOT null
            THEN format('The newest evidence was captured on %%s and is past its validity.', newest.captured_on)
        ELSE 'No accepted evidence shows that two-step verification is required; a list of members does not prove it.'
    END,
    jsonb_build_object('evidence_id', newest.evidence_id, 'captured_on', newest.captured_on),
    jsonb_build_object('evidence_id', newest.evidence_id),
    newest.data_as_of,
    %(as_of)s
FROM newest;
