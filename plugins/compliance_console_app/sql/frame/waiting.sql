-- Purpose: what waits for somebody in a workspace: what the navigation counts, and of the same rows what the overview
-- counts besides (soon, gone).

WITH findings AS (
    SELECT
        count(*) FILTER (WHERE unaccepted.due_at < now()) AS overdue,
        count(*) FILTER (WHERE unaccepted.due_at >= now()) AS soon
    FROM integration.unaccepted_findings AS unaccepted
    WHERE unaccepted.workspace = %(workspace)s AND unaccepted.due_at <= now() + interval '7 days'
),

members AS (
    SELECT
        count(*) FILTER (WHERE review.review_state IN ('open', 'changed')) AS access,
        count(*) FILTER (WHERE review.review_group = 'left') AS gone
    FROM compliance.access_review AS review
    WHERE review.workspace = %(workspace)s
)

SELECT
    findings.overdue,
    findings.soon,
    members.access,
    members.gone,
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
    ) AS policies
FROM findings
CROSS JOIN members;
