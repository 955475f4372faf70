-- Purpose: one policy that was set or proposed for a workspace, by its number.

SELECT
    states.override_id,
    states.workspace,
    states.body,
    states.set_by,
    states.set_at,
    states.reason,
    states.lowers,
    states.status,
    states.decided_by,
    states.decided_at,
    states.decision_reason
FROM registry.policy_states AS states
WHERE states.override_id = %(number)s::bigint;
