-- Purpose: every policy that was set or proposed for a workspace: set, proposed, rejected, withdrawn or overtaken,
-- which is a proposal that another policy came before.

CREATE VIEW registry.policy_states AS
WITH decided AS (
    SELECT
        overrides.override_id,
        lower(btrim(overrides.workspace)) AS workspace,
        overrides.body,
        overrides.set_by,
        overrides.set_at,
        overrides.reason,
        overrides.lowers,
        overrides.lowers = '{}' OR coalesce(decisions.decision = 'accepted', false) AS holds,
        decisions.decision,
        decisions.decided_by,
        decisions.decided_at,
        decisions.reason AS decision_reason,
        coalesce(decisions.self_review, false) AS self_review
    FROM registry.policy_overrides AS overrides
    LEFT JOIN registry.policy_decisions AS decisions ON overrides.override_id = decisions.override_id
)

SELECT
    decided.override_id,
    decided.workspace,
    decided.body,
    decided.set_by,
    decided.set_at,
    decided.reason,
    decided.lowers,
    CASE
        WHEN decided.holds THEN 'set'
        WHEN decided.decision IS NOT null THEN decided.decision
        WHEN
            EXISTS (
                SELECT 1 FROM decided AS later
                WHERE later.workspace = decided.workspace AND later.override_id > decided.override_id AND later.holds
            )
            THEN 'overtaken'
        ELSE 'proposed'
    END AS status,
    decided.decided_by,
    decided.decided_at,
    decided.decision_reason,
    decided.self_review
FROM decided;

GRANT SELECT ON registry.policy_states TO compliance_pipeline, compliance_console;
