-- Purpose: what a repository's own rules require before a merge into the main branch, of the kinds given; no row where
-- it has none. own: enforced; advisory: unmet checks only warn; too_low: requires less than at_least; none.
-- by_reviewers_alone: none but rules about default reviewers require enough. is_certain: a branching model that was not
-- read could not change it. rules: those that match.

CREATE FUNCTION judging.merge_checks(
    in_workspace text, only_subjects text[], kinds text[], reviewers_kinds text[], at_least integer
)
RETURNS TABLE (
    repository_id text, own text, by_reviewers_alone boolean, required integer, enforced boolean,
    is_certain boolean, rules jsonb
)
LANGUAGE sql STABLE
AS $merge_checks$
    WITH found AS (
        SELECT
            rules.repository_id,
            max(rules.value) FILTER (
                WHERE rules.kind <> 'enforce_merge_checks' AND rules.matches_main_branch
            ) AS required,
            max(rules.value) FILTER (
                WHERE
                rules.kind <> 'enforce_merge_checks'
                AND rules.kind <> all(reviewers_kinds)
                AND rules.matches_main_branch
            ) AS required_of_anybody,
            coalesce(
                bool_or(rules.kind = 'enforce_merge_checks' AND rules.matches_main_branch), false
            ) AS enforced,
            -- with the rules whose branching model was not read: what may apply
            max(rules.value) FILTER (WHERE rules.kind <> 'enforce_merge_checks') AS required_at_most,
            bool_or(rules.kind = 'enforce_merge_checks') AS enforced_at_most,
            jsonb_agg(rules.rule ORDER BY rules.restriction_id) FILTER (WHERE rules.matches_main_branch) AS matched
        FROM staging.main_branch_rules AS rules
        WHERE
            rules.workspace = in_workspace
            AND (only_subjects IS null OR rules.repository_id = any(only_subjects))
            AND rules.kind = any(kinds || '{enforce_merge_checks}')
        GROUP BY rules.repository_id
    )

    SELECT
        found.repository_id,
        CASE
            WHEN found.required >= at_least AND found.enforced THEN 'enforced'
            WHEN found.required >= at_least THEN 'advisory'
            WHEN found.required > 0 THEN 'too_low'
            ELSE 'none'
        END,
        coalesce(found.required_of_anybody, 0) < at_least,
        coalesce(found.required, 0),
        found.enforced,
        coalesce(found.required_at_most, 0) < at_least
        OR coalesce(found.required >= at_least AND found.enforced = found.enforced_at_most, false),
        coalesce(found.matched, '[]')
    FROM found
$merge_checks$;
