-- Purpose: one exception with who asked for it and who accepted it.

SELECT
    states.exception_id::text AS exception_id,
    states.owner,
    states.reason,
    states.expires_at,
    decisions.decided_by,
    decisions.decided_at
FROM registry.exception_states AS states
LEFT JOIN registry.exception_decisions AS decisions
    ON states.exception_id = decisions.exception_id AND decisions.decision = 'accepted'
WHERE states.exception_id::text = %(exception_id)s;
