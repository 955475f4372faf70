-- Purpose: every workspace that has published results: where it stands, as of when, and what waits for somebody in it.

WITH wholly AS (
    SELECT
        runs.workspace,
        max(runs.finished_at) AS as_of
    FROM compliance.runs AS runs
    WHERE runs.status = 'published' AND runs.kind = 'polling'
    GROUP BY runs.workspace
),

newest AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        runs.run_id,
        runs.status
    FROM compliance.runs AS runs
    WHERE runs.status IN ('published', 'failed', 'gate_failed')
    ORDER BY runs.workspace ASC, runs.started_at DESC
),

-- Evidence for all workspaces waits in each of them.
evidence AS (
    SELECT
        scores.workspace,
        count(*) AS waiting
    FROM compliance.workspace_score AS scores
    INNER JOIN registry.evidence_states AS states
        ON states.workspace IS null OR states.workspace = lower(scores.workspace)
    WHERE states.status = 'submitted'
    GROUP BY scores.workspace
),

exceptions AS (
    SELECT
        states.workspace,
        count(*) AS waiting
    FROM registry.exception_states AS states
    WHERE states.status = 'requested'
    GROUP BY states.workspace
),

policies AS (
    SELECT
        states.workspace,
        count(*) AS waiting
    FROM registry.policy_states AS states
    WHERE states.status = 'proposed'
    GROUP BY states.workspace
),

access AS (
    SELECT
        review.workspace,
        count(*) FILTER (WHERE review.review_state IN ('open', 'changed')) AS waiting
    FROM compliance.access_review AS review
    GROUP BY review.workspace
)

SELECT
    scores.workspace,
    scores.score,
    scores.failing,
    scores.overdue,
    scores.pending + scores.error AS undecided,
    wholly.as_of,
    newest.run_id,
    coalesce(newest.status IN ('failed', 'gate_failed'), false) AS last_run_failed,
    coalesce(evidence.waiting, 0) AS evidence,
    coalesce(exceptions.waiting, 0) AS exceptions,
    coalesce(policies.waiting, 0) AS policies,
    coalesce(access.waiting, 0) AS access
FROM compliance.workspace_score AS scores
LEFT JOIN wholly ON scores.workspace = wholly.workspace
LEFT JOIN newest ON scores.workspace = newest.workspace
LEFT JOIN evidence ON scores.workspace = evidence.workspace
LEFT JOIN exceptions ON scores.workspace = exceptions.workspace
LEFT JOIN policies ON lower(scores.workspace) = policies.workspace
LEFT JOIN access ON scores.workspace = access.workspace
ORDER BY scores.workspace ASC;
