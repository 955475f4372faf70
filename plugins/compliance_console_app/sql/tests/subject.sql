-- Purpose: the verdict of a test on one subject, with what would mend it.
SELECT
    results.*,
    codes.meaning,
    codes.remediation AS how_to_mend,
    codes.api_calls,
    policies.body -> 'thresholds' AS thresholds,
    exceptions.owner AS risk_owner,
    exceptions.expires_at AS accepted_until,
    runs.started_at AS run_began,
    runs.finished_at AS run_ended,
    repositories.slug AS repo_slug,
    repositories.project_key
FROM compliance.current_results AS results
LEFT JOIN compliance.reason_codes AS codes
    ON results.test_id = codes.test_id AND results.reason_code = codes.reason_code
LEFT JOIN registry.policy_versions AS policies ON results.policy_version = policies.policy_version
LEFT JOIN registry.exception_states AS exceptions ON results.exception_id = exceptions.exception_id
LEFT JOIN compliance.runs AS runs ON results.workspace = runs.workspace AND results.run_id = runs.run_id
LEFT JOIN compliance.repositories AS repositories
    ON results.workspace = repositories.workspace AND results.subject_id = repositories.repository_id
WHERE
    results.workspace = %(workspace)s
    AND results.test_id = %(test_id)s
    AND results.subject_id = %(subject_id)s
