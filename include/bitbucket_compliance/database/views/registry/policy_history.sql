-- Purpose: what each workspace's policy changed in the defaults, by whom, why, accepted by whom where it asked for
-- less, from when until when. What was proposed and never held is in registry.policy_states.

CREATE VIEW registry.policy_history AS
WITH held AS (
    SELECT
        states.*,
        max(coalesce(states.decided_at, states.set_at))
            OVER (PARTITION BY states.workspace ORDER BY states.override_id) AS valid_from
    FROM registry.policy_states AS states
    WHERE states.status = 'set'
)

SELECT
    override_id,
    workspace,
    body,
    set_by,
    set_at,
    reason,
    valid_from,
    lead(valid_from) OVER (PARTITION BY workspace ORDER BY override_id) AS valid_to,
    lead(override_id) OVER (PARTITION BY workspace ORDER BY override_id) IS null AS in_force,
    lowers,
    decided_by AS accepted_by,
    self_review AS self_accepted
FROM held;

GRANT SELECT ON registry.policy_history TO compliance_pipeline, compliance_console;
