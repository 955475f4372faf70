-- Purpose: whether the main branch can be pushed to directly, where rules could be read, and who is exempt from the
-- restrictions that say it can't: of all that match, together.

CREATE VIEW staging.main_branch_push AS
SELECT
    coverage.workspace,
    coverage.repository_id,
    CASE
        WHEN bool_or(rules.matches_main_branch) THEN 'restricted'
        WHEN count(rules.restriction_id) > 0 THEN 'unknown'
        ELSE 'unrestricted'
    END AS direct_push,
    coalesce(jsonb_agg(DISTINCT exempt.account) FILTER (WHERE exempt.is_user), '[]') AS exempt_users,
    coalesce(jsonb_agg(DISTINCT exempt.account) FILTER (WHERE NOT exempt.is_user), '[]') AS exempt_groups
FROM staging.coverage AS coverage
LEFT JOIN staging.main_branch_rules AS rules
    ON
        coverage.workspace = rules.workspace
        AND coverage.repository_id = rules.repository_id
        AND rules.kind = 'push'
LEFT JOIN LATERAL (
    SELECT
        users.body AS account,
        true AS is_user
    FROM jsonb_array_elements(rules.users) AS users (body)
    UNION ALL
    SELECT
        groups.body AS account,
        false AS is_user
    FROM jsonb_array_elements(rules.groups) AS groups (body)
) AS exempt ON rules.matches_main_branch
WHERE coverage.resource = 'branch_restrictions' AND coverage.outcome = 'ok'
GROUP BY coverage.workspace, coverage.repository_id;
