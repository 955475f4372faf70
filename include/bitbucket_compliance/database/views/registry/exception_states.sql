-- Purpose: exceptions with their state: requested, accepted, rejected or withdrawn; expiry is a matter of the clock.

CREATE VIEW registry.exception_states AS
SELECT
    exceptions.*,
    CASE
        WHEN withdrawals.decision_id IS NOT null THEN 'withdrawn'
        ELSE coalesce(decisions.decision, 'requested')
    END AS status,
    CASE WHEN decisions.decision = 'accepted' THEN decisions.decided_by END AS approver,
    CASE WHEN decisions.decision = 'accepted' THEN decisions.decided_at END AS approved_at,
    coalesce(withdrawals.decided_by, decisions.decided_by) AS decided_by,
    coalesce(withdrawals.decided_at, decisions.decided_at) AS decided_at,
    coalesce(withdrawals.reason, decisions.reason) AS decision_reason,
    coalesce(decisions.self_review AND decisions.decision = 'accepted', false) AS self_accepted
FROM registry.exceptions AS exceptions
LEFT JOIN registry.exception_decisions AS decisions
    ON exceptions.exception_id = decisions.exception_id AND decisions.decision IN ('accepted', 'rejected')
LEFT JOIN registry.exception_decisions AS withdrawals
    ON exceptions.exception_id = withdrawals.exception_id AND withdrawals.decision = 'withdrawn';

GRANT SELECT ON registry.exception_states TO compliance_pipeline, compliance_console;
