-- Purpose: what the merge checks require that were seen last of an open pull request into the main branch, rules of
-- the project among them. in_effect and by_reviewers_alone: as judging.merge_checks. is_remembered: they are of an
-- earlier reading than the last one, not before oldest; where the repository's own rules can be read, these are the
-- same as then.

CREATE FUNCTION judging.checks_in_effect(
    in_workspace text, only_subjects text[], kinds text, reviewers_kinds text[], at_least integer, oldest timestamptz
)
RETURNS TABLE (
    repository_id text, in_effect text, by_reviewers_alone boolean, required integer, enforced boolean, checks jsonb,
    pull_request_id bigint, seen_at timestamptz, is_remembered boolean
)
LANGUAGE sql STABLE
AS $checks_in_effect$
    WITH found AS (
        SELECT
            seen.repository_id,
            coalesce(max(asked.requirement), 0) AS required,
            coalesce(max(asked.requirement) FILTER (WHERE asked.enforced), 0) AS required_enforced,
            coalesce(
                max(asked.requirement) FILTER (WHERE asked.enforced AND asked.kind <> all(reviewers_kinds)), 0
            ) AS required_of_anybody,
            coalesce(
                jsonb_agg(to_jsonb(asked) ORDER BY asked.kind, asked.requirement) FILTER (
                    WHERE asked.kind IS NOT null
                ),
                '[]'
            ) AS checks,
            seen.pull_request_id,
            seen.data_as_of,
            coverage.merge_checks IS DISTINCT FROM 'ok' AS is_remembered
        FROM staging.merge_checks AS seen
        INNER JOIN staging.repositories AS repositories
            ON
                seen.workspace = repositories.workspace
                AND seen.repository_id = repositories.repository_id
                AND seen.main_branch = repositories.main_branch
        INNER JOIN staging.repository_coverage AS coverage
            ON seen.workspace = coverage.workspace AND seen.repository_id = coverage.repository_id
        LEFT JOIN staging.own_merge_rules AS own
            ON seen.workspace = own.workspace AND seen.repository_id = own.repository_id
        LEFT JOIN LATERAL jsonb_to_recordset(seen.checks)
            AS asked (kind text, requirement integer, enforced boolean) ON asked.kind ~ ('^(' || kinds || ')$')
        WHERE
            seen.workspace = in_workspace
            AND (only_subjects IS null OR seen.repository_id = any(only_subjects))
            AND (
                coverage.merge_checks IS NOT DISTINCT FROM 'ok'
                OR (seen.data_as_of >= oldest AND (own.fingerprint IS null OR own.fingerprint = seen.own_rules))
            )
        GROUP BY seen.repository_id, seen.pull_request_id, seen.data_as_of, coverage.merge_checks
    )

    SELECT
        found.repository_id,
        CASE
            WHEN found.required_enforced >= at_least THEN 'enforced'
            WHEN found.required >= at_least THEN 'advisory'
            WHEN found.required > 0 THEN 'too_low'
            ELSE 'none'
        END,
        found.required_of_anybody < at_least,
        found.required,
        found.required_enforced > 0,
        found.checks,
        found.pull_request_id,
        found.data_as_of,
        found.is_remembered
    FROM found
$checks_in_effect$;
