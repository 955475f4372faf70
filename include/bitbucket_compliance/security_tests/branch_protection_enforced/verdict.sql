-- Purpose: branch_protection_enforced: is the main branch kept from free pushes, rewriting and deletion?
-- Merges say nothing about it; what webhooks told of pushes can only speak against it.

WITH found AS (
    SELECT
        rules.repository_id,
        array_agg(rules.kind) FILTER (WHERE rules.matches_main_branch) AS kinds,
        -- with the rules whose branching model was not read: what may apply
        array_agg(rules.kind) AS kinds_at_most,
        jsonb_agg(rules.rule ORDER BY rules.restriction_id) FILTER (WHERE rules.matches_main_branch) AS rules
    FROM staging.main_branch_rules AS rules
    WHERE
        rules.workspace = %(workspace)s
        AND (%(subjects)s::text[] IS null OR rules.repository_id = any(%(subjects)s::text[]))
        AND rules.kind = any(%(required_protections)s)
    GROUP BY rules.repository_id
),

protected AS MATERIALIZED (
    SELECT
        repositories.*,
        coalesce(push.direct_push, 'unknown') AS direct_push,
        coalesce(push.exempt_users, '[]') AS exempt_users,
        coalesce(push.exempt_groups, '[]') AS exempt_groups,
        coalesce(found.rules, '[]') AS rules,
        %(required_protections)s::text[] <@ coalesce(found.kinds, '{}') AS is_whole,
        array(
            SELECT required.kind FROM unnest(%(required_protections)s::text[]) AS required (kind) ORDER BY required.kind
        ) AS required,
        array(
            SELECT required.kind FROM unnest(%(required_protections)s::text[]) AS required (kind)
            WHERE required.kind <> all(coalesce(found.kinds_at_most, '{}'))
            ORDER BY required.kind
        ) AS missing
    FROM judging.repositories(%(workspace)s, %(subjects)s, %(oldest_reading)s) AS repositories
    LEFT JOIN staging.main_branch_push AS push
        ON push.workspace = %(workspace)s AND repositories.subject_id = push.repository_id
    LEFT JOIN found ON repositories.subject_id = found.repository_id
),

readable AS (
    SELECT
        *,
        judging.configuration(branch_restrictions, branching_model, is_whole OR missing <> '{}') AS configuration
    FROM protected
),

asked AS (
    SELECT
        readable.*,
        pushes.rewritten,
        pushes.last_rewritten_at,
        pushes.push_detail,
        coalesce(
            jsonb_array_length(readable.exempt_users) > %(max_push_exempt_users)s::integer
            OR jsonb_array_length(readable.exempt_groups) > %(max_push_exempt_groups)s::integer,
            false
        ) AS too_many_exempt,
        judging.exempt_from_pushing(readable.exempt_users, readable.exempt_groups) AS exempt,
        evidence.evidence_id,
        evidence.captured_on,
        coalesce(before.failed, false) AS failed_before
    FROM readable
    LEFT JOIN judging.last_readings(%(workspace)s, 'branch_protection_enforced') AS before
        ON readable.subject_id = before.subject_id
    LEFT JOIN judging.pushes(%(workspace)s, %(subjects)s, %(window_start)s) AS pushes
        ON readable.subject_id = pushes.repository_id
    LEFT JOIN
        judging.evidence(
            %(workspace)s, 'branch_protection_enforced', %(today)s, %(evidence_validity_days)s
        ) AS evidence
        ON
            readable.subject_id = evidence.repository_id
            AND (readable.configuration = 'ok') = evidence.about_project
            AND (
                readable.configuration = 'ok'
                OR judging.evidence_counts(evidence.captured_on, before.last_failed_at, %(time_zone)s)
            )
),

-- The order of the rules: design, section 5.
decided AS MATERIALIZED (
    SELECT
        *,
        CASE
            WHEN classification = 'non_production' THEN 'non_production'
            WHEN main_branch IS null THEN 'no_main_branch'
            WHEN not_read_yet IS NOT null THEN 'not_read_yet'
            WHEN is_empty THEN 'empty_repository'
            WHEN is_empty IS null OR configuration = 'failed' THEN 'extract_failed'
            -- what no rule of the repository holds may be inherited of its project, which only evidence can show
            WHEN
                configuration = 'ok' AND NOT is_whole
                AND (
                    evidence_id IS null
                    OR last_rewritten_at >= captured_on::timestamp AT TIME ZONE %(time_zone)s
                )
                THEN 'missing_protection'
            WHEN configuration = 'ok' AND too_many_exempt THEN 'too_many_exempt'
            WHEN rewritten IS NOT null THEN 'history_rewritten'
            WHEN configuration = 'ok' AND is_whole THEN 'protections_in_place'
            WHEN evidence_id IS NOT null THEN 'evidence_accepted'
            WHEN failed_before THEN 'rules_no_longer_readable'
            ELSE configuration
        END AS reason_code
    FROM asked
)

SELECT
    subject_id,
    reason_code,
    CASE reason_code
        WHEN 'scope_missing' THEN 'The rules can''t be read: the connection lacks the scope repository:admin.'
        WHEN 'permission_missing'
            THEN 'The rules can''t be read: the connection''s identity lacks admin rights on the repository.'
        WHEN 'rules_no_longer_readable'
            THEN
                format('The restrictions on %%s can''t be read any more. ', main_branch)
                || 'When they were last read, a required one was missing.'
        WHEN 'evidence_accepted'
            THEN format('Accepted evidence, captured on %%s, shows that %%s is protected.', captured_on, main_branch)
        WHEN 'protections_in_place'
            THEN
                format('Restrictions on %%s: ', main_branch)
                || array_to_string(required, ', ') || '.'
                || coalesce(' Exempt from the push restrictions: ' || exempt || '.', '')
        WHEN 'too_many_exempt'
            THEN
                format(
                    'More users or groups may push to %%s past its restrictions than the policy allows: %%s.',
                    main_branch, exempt
                )
        WHEN 'history_rewritten'
            THEN
                format('The history of %%s was rewritten: %%s', main_branch, rewritten[1])
                || CASE
                    WHEN cardinality(rewritten) > 1 THEN format(' and %%s more.', cardinality(rewritten) - 1) ELSE '.'
                END
        WHEN 'missing_protection'
            THEN
                format('No restriction on %%s against: %%s.', main_branch, array_to_string(missing, ', '))
                || coalesce(' Exempt from the push restrictions: ' || exempt || '.', '')
        ELSE
            judging.repository_reason(
                reason_code,
                not_read_yet,
                CASE
                    WHEN is_empty IS null THEN 'the main branch'
                    WHEN branch_restrictions = 'ok' THEN 'the effective branching model'
                    ELSE 'the branch restrictions'
                END
            )
    END AS reason,
    jsonb_build_object(
        'main_branch', main_branch,
        'direct_push', direct_push,
        'exempt_users', CASE WHEN configuration = 'ok' THEN exempt_users END,
        'exempt_groups', CASE WHEN configuration = 'ok' THEN exempt_groups END,
        'configuration', configuration,
        -- what could not be read is null, never none
        'rules', CASE WHEN configuration = 'ok' THEN rules END,
        'missing', CASE WHEN configuration = 'ok' THEN missing END
    ) || push_detail || judging.declared(reason_code, entry, evidence_id, captured_on) AS detail,
    CASE
        WHEN reason_code IN ('protections_in_place', 'missing_protection')
            THEN jsonb_build_object('rules', rules, 'missing', missing)
        WHEN reason_code = 'too_many_exempt'
            THEN jsonb_build_object('exempt_users', exempt_users, 'exempt_groups', exempt_groups)
        WHEN reason_code = 'history_rewritten' THEN jsonb_build_object('pushes', to_jsonb(rewritten))
        WHEN reason_code = 'evidence_accepted' THEN jsonb_build_object('evidence_id', evidence_id)
        ELSE '{}'
    END AS facts
FROM decided;
