-- Purpose: whether the main branch can be pushed to directly, where rules could be read.

CREATE VIEW staging.main_branch_push AS
SELECT
    coverage.workspace,
    coverage.repository_id,
    CASE
        WHEN bool_or(rules.matches_main_branch) THEN 'restricted'
        WHEN count(rules.restriction_id) > 0 THEN 'unknown'
        ELSE 'unrestricted'
    END AS direct_push,
    coalesce(
        jsonb_agg(rules.users) FILTER (WHERE rules.matches_main_branch AND rules.users <> '[]'), '[]'
    ) AS exempt_users,
    coalesce(
        jsonb_agg(rules.groups) FILTER (WHERE rules.matches_main_branch AND rules.groups <> '[]'), '[]'
    ) AS exempt_groups
FROM staging.coverage AS coverage
LEFT JOIN staging.main_branch_rules AS rules
    ON
        coverage.workspace = rules.workspace
        AND coverage.repository_id = rules.repository_id
        AND rules.kind = 'push'
WHERE coverage.resource = 'branch_restrictions' AND coverage.outcome = 'ok'
GROUP BY coverage.workspace, coverage.repository_id;
