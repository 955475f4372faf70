-- Purpose: rules read in the newest run that apply to the main branch, or may (matches_main_branch null).

CREATE VIEW staging.main_branch_rules AS
SELECT
    rules.workspace,
    rules.repository_id,
    rules.restriction_id,
    rules.kind,
    rules.value,
    rules.users,
    rules.groups,
    rules.matches_main_branch,
    jsonb_strip_nulls(jsonb_build_object(
        'id', rules.restriction_id,
        'kind', rules.kind,
        'pattern', CASE WHEN rules.branch_match_kind = 'glob' THEN rules.pattern END,
        'branch_type', CASE WHEN rules.branch_match_kind <> 'glob' THEN rules.branch_type END,
        'value', rules.value
    )) AS rule
FROM staging.branch_restrictions AS rules
INNER JOIN staging.coverage AS coverage
    ON
        rules.workspace = coverage.workspace
        AND rules.repository_id = coverage.repository_id
        AND coverage.resource = 'branch_restrictions'
        AND coverage.outcome = 'ok'
WHERE rules.matches_main_branch IS NOT false;
