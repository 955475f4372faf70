-- Purpose: a fingerprint of the rules about merging that a repository has of its own for its main branch, where they
-- could be read: it changes when one comes, goes or asks for something else. is_whole: all was read that it rests on.
-- run_id: the run that read them.

CREATE VIEW staging.own_merge_rules AS
SELECT
    coverage.workspace,
    coverage.repository_id,
    coverage.run_id,
    md5(
        coalesce(
            string_agg(
                rules.rule::text || coalesce(rules.matches_main_branch::text, ''), ' ' ORDER BY rules.restriction_id
            ),
            ''
        )
    ) AS fingerprint,
    coverage.complete
    AND NOT EXISTS (
        SELECT 1 FROM staging.coverage AS model
        WHERE
            model.workspace = coverage.workspace
            AND model.repository_id = coverage.repository_id
            AND model.resource = 'effective_branching_model'
            AND model.outcome <> 'ok'
    ) AS is_whole
FROM staging.coverage AS coverage
LEFT JOIN staging.main_branch_rules AS rules
    ON
        coverage.workspace = rules.workspace
        AND coverage.repository_id = rules.repository_id
        AND (rules.kind = 'enforce_merge_checks' OR starts_with(rules.kind, 'require_'))
WHERE coverage.resource = 'branch_restrictions' AND coverage.outcome = 'ok'
GROUP BY coverage.workspace, coverage.repository_id, coverage.run_id, coverage.complete;
