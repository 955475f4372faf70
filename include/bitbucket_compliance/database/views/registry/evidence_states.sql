-- Purpose: evidence with its state: submitted, accepted, rejected or withdrawn. Whether it is past its validity depends
-- on the policy.

CREATE VIEW registry.evidence_states AS
SELECT
    evidence.*,
    CASE
        WHEN withdrawals.decision_id IS NOT null THEN 'withdrawn'
        ELSE coalesce(decisions.decision, 'submitted')
    END AS status,
    coalesce(withdrawals.decided_by, decisions.decided_by) AS decided_by,
    coalesce(withdrawals.decided_at, decisions.decided_at) AS decided_at,
    coalesce(withdrawals.reason, decisions.reason) AS decision_reason,
    CASE WHEN decisions.decision = 'accepted' THEN decisions.decided_by END AS accepted_by,
    CASE WHEN decisions.decision = 'accepted' THEN decisions.decided_at END AS accepted_at,
    CASE WHEN decisions.decision = 'rejected' THEN decisions.decided_by END AS rejected_by,
    CASE WHEN decisions.decision = 'rejected' THEN decisions.decided_at END AS rejected_at,
    withdrawals.decided_by AS withdrawn_by,
    withdrawals.decided_at AS withdrawn_at,
    coalesce(decisions.self_review AND decisions.decision = 'accepted', false) AS self_accepted
FROM registry.evidence AS evidence
LEFT JOIN registry.evidence_decisions AS decisions
    ON evidence.evidence_id = decisions.evidence_id AND decisions.decision IN ('accepted', 'rejected')
LEFT JOIN registry.evidence_decisions AS withdrawals
    ON evidence.evidence_id = withdrawals.evidence_id AND withdrawals.decision = 'withdrawn';

GRANT SELECT ON registry.evidence_states TO compliance_pipeline, compliance_console;
