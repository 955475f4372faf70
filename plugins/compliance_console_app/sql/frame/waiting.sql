-- Purpose: what waits for somebody in a workspace, as the navigation counts it.

SELECT
    (
        SELECT count(*)
        FROM compliance.findings AS findings
        WHERE findings.workspace = %(workspace)s AND findings.overdue
    ) AS overdue,
    (
        SELECT count(*)
        FROM compliance.access_review AS review
        WHERE review.workspace = %(workspace)s AND review.review_state IN ('open', 'changed')
    ) AS access,
    (
        SELECT count(*)
        FROM registry.evidence_states AS evidence
        WHERE
            evidence.status = 'submitted'
            AND (evidence.workspace IS null OR evidence.workspace = lower(%(workspace)s))
    ) AS evidence,
    (
        SELECT count(*)
        FROM registry.exception_states AS exceptions
        WHERE exceptions.status = 'requested' AND exceptions.workspace = %(workspace)s
    ) AS exceptions,
    (
        SELECT count(*)
        FROM registry.policy_states AS policies
        WHERE policies.status = 'proposed'
    ) AS policies;
