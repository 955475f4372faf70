-- Purpose: rules that are said to apply to the main branch, or not to, against their pattern, or without their
-- branching model. Only rules that decide: those that can be read no more stay as they were, whatever became of the
-- branch since.

CREATE VIEW quality.wrong_rule_matches AS
WITH rules AS (
    SELECT
        rules.repository_id,
        repositories.slug,
        rules.restriction_id,
        rules.branch_match_kind,
        rules.pattern,
        rules.branch_type,
        repositories.main_branch,
        rules.matches_main_branch,
        models.repository_id IS NOT null AS model_read
    FROM staging.branch_restrictions AS rules
    INNER JOIN staging.repositories AS repositories
        ON rules.workspace = repositories.workspace AND rules.repository_id = repositories.repository_id
    INNER JOIN staging.coverage AS coverage
        ON
            rules.workspace = coverage.workspace
            AND rules.repository_id = coverage.repository_id
            AND coverage.resource = 'branch_restrictions'
            AND coverage.outcome = 'ok'
    LEFT JOIN staging.branching_models AS models
        ON rules.workspace = models.workspace AND rules.repository_id = models.repository_id
    WHERE
        rules.workspace = current_setting('compliance.workspace')
        -- one whose main branch is another since it was read is not judged by what was read
        AND repositories.read_at IS NOT null
)

SELECT * FROM rules
WHERE
    CASE
        WHEN main_branch IS null THEN matches_main_branch IS NOT false
        WHEN branch_match_kind = 'glob'
            THEN matches_main_branch IS DISTINCT FROM staging.glob_matches(pattern, main_branch)
        WHEN branch_match_kind = 'branching_model' THEN (matches_main_branch IS null) = model_read
        ELSE matches_main_branch IS NOT null
    END;
