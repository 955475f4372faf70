-- Purpose: workspace_mfa_enforced: does accepted, unexpired evidence show that two-step verification is required?
-- An export that lists members proves what each of them did, not that anything requires it.

WITH newest AS (
    SELECT
        workspaces.workspace_id AS subject_id,
        evidence.evidence_id,
        evidence.captured_on,
        CASE
            WHEN evidence.captured_on + %(evidence_validity_days)s::integer > %(today)s::date THEN 'evidence_accepted'
            WHEN evidence.evidence_id IS NOT null THEN 'evidence_expired'
            ELSE 'evidence_missing'
        END AS reason_code
    FROM staging.workspaces AS workspaces
    LEFT JOIN registry.evidence_states AS evidence
        ON
            evidence.test_id = 'workspace_mfa_enforced'
            AND evidence.scope = 'workspace'
            AND evidence.status = 'accepted'
            AND evidence.captured_on <= %(today)s::date
            AND (evidence.workspace IS null OR evidence.workspace = lower(workspaces.workspace))
    WHERE workspaces.workspace = %(workspace)s
    ORDER BY evidence.captured_on DESC NULLS LAST, evidence.submitted_at DESC NULLS LAST
    LIMIT 1
)

SELECT
    subject_id,
    reason_code,
    CASE reason_code
        WHEN 'evidence_accepted'
            THEN format('Evidence captured on %%s shows that two-step verification is required.', captured_on)
        WHEN 'evidence_expired'
            THEN format('The newest evidence was captured on %%s and is past its validity.', captured_on)
        ELSE 'No accepted evidence shows that two-step verification is required; a list of members does not prove it.'
    END AS reason,
    jsonb_build_object('evidence_id', evidence_id, 'captured_on', captured_on) AS detail,
    jsonb_build_object('evidence_id', evidence_id) AS facts
FROM newest;
