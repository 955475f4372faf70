-- Which repositories were never reviewed, which never classified?
-- Purpose: repositories that never once passed the test of peer review, or that nobody ever classified.

WITH ever AS (
    SELECT
        history.workspace,
        history.subject_id,
        bool_or(history.test_id = 'peer_review_required' AND history.status = 'passing') AS reviewed,
        bool_or(history.test_id = 'repo_classified' AND history.reason_code <> 'unclassified') AS classified
    FROM compliance.result_history AS history
    WHERE
        history.workspace = 'demo-workspace'
        AND history.test_id IN ('peer_review_required', 'repo_classified')
        AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
    GROUP BY history.workspace, history.subject_id
)

SELECT
    repositories.slug,
    repositories.project_key,
    NOT ever.reviewed AS never_reviewed,
    NOT ever.classified AS never_classified,
    results.status AS review_now,
    results.reason_code
FROM compliance.repositories AS repositories
INNER JOIN ever ON repositories.workspace = ever.workspace AND repositories.repository_id = ever.subject_id
INNER JOIN compliance.current_results AS results
    ON
        repositories.workspace = results.workspace
        AND repositories.repository_id = results.subject_id
        AND results.test_id = 'peer_review_required'
WHERE (NOT ever.reviewed AND results.status <> 'not_applicable') OR NOT ever.classified
ORDER BY never_classified DESC, repositories.slug ASC;
