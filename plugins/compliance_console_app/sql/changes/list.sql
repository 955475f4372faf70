-- Purpose: everything that changed in a workspace between two moments, one page of it: verdicts (what each was at the
-- first moment and is at the second), findings, repositories and members that came or went, decisions, policy.

-- Intervals of a verdict follow one another without a gap: of those that began between the two moments the one that
-- stands at the second counts, and what stood at the first has ended in between.
WITH standing_after AS MATERIALIZED (
    SELECT
        history.test_id,
        history.subject_type,
        history.subject_id,
        history.subject_name,
        history.status,
        history.reason_code,
        history.reason,
        history.valid_from,
        history.reason_code NOT IN ('removed_or_invisible', 'test_disabled') AS is_there
    FROM compliance.result_history AS history
    WHERE
        history.workspace = %(workspace)s
        AND history.valid_from > %(since)s::timestamptz
        AND history.valid_from <= %(until)s::timestamptz
        AND coalesce(history.valid_to > %(until)s::timestamptz, true)
),

standing_before AS MATERIALIZED (
    SELECT
        history.test_id,
        history.subject_id,
        history.status,
        history.reason_code
    FROM compliance.result_history AS history
    WHERE
        history.workspace = %(workspace)s
        AND history.valid_to > %(since)s::timestamptz
        AND history.valid_to <= %(until)s::timestamptz
        AND history.valid_from <= %(since)s::timestamptz
        AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
),

verdicts AS (
    SELECT
        after.valid_from AS at,
        'verdict' AS kind,
        after.subject_type,
        after.subject_id,
        coalesce(after.subject_name, after.subject_id) AS name,
        after.test_id,
        earlier.status AS was,
        CASE WHEN after.is_there THEN after.status END AS became,
        CASE WHEN after.is_there THEN after.reason ELSE replace(after.reason_code, '_', ' ') END AS why,
        null AS person,
        null AS ref
    FROM standing_after AS after
    LEFT JOIN standing_before AS earlier
        ON after.test_id = earlier.test_id AND after.subject_id = earlier.subject_id
    WHERE
        earlier.status IS DISTINCT FROM CASE WHEN after.is_there THEN after.status END
        OR (after.is_there AND earlier.reason_code <> after.reason_code)
),

findings AS (
    SELECT
        found.found_at AS at,
        'finding' AS kind,
        found.subject_type,
        found.subject_id,
        coalesce(found.subject_name, found.subject_id) AS name,
        found.test_id,
        null AS was,
        CASE WHEN found.reopened_as IS null THEN 'opened' ELSE 'opened again' END AS became,
        replace(found.reason_code, '_', ' ') || ', due ' || (found.due_at AT TIME ZONE 'UTC')::date AS why,
        found.ended_by AS person,
        null AS ref
    FROM compliance.finding_records AS found
    WHERE
        found.workspace = %(workspace)s
        AND found.found_at > %(since)s::timestamptz
        AND found.found_at <= %(until)s::timestamptz
    UNION ALL
    SELECT
        found.ended_at,
        'finding',
        found.subject_type,
        found.subject_id,
        coalesce(found.subject_name, found.subject_id),
        found.test_id,
        'open',
        replace(found.ended_because, '_', ' '),
        replace(found.ended_reason_code, '_', ' '),
        found.ended_by,
        null
    FROM compliance.finding_records AS found
    WHERE
        found.workspace = %(workspace)s
        AND found.ended_at > %(since)s::timestamptz
        AND found.ended_at <= %(until)s::timestamptz
),

-- Of repositories that something began or ended for in the window: all others are as they were.
repository_states AS MATERIALIZED (
    SELECT
        history.repository_id,
        coalesce(history.slug, history.repository_id) AS name,
        history.valid_from,
        history.valid_to,
        history.valid_from <= %(since)s::timestamptz
        AND coalesce(history.valid_to > %(since)s::timestamptz, true) AS is_before,
        history.valid_from <= %(until)s::timestamptz
        AND coalesce(history.valid_to > %(until)s::timestamptz, true) AS is_after,
        concat_ws(
            ', ', history.slug, 'project ' || history.project_key, history.visibility,
            coalesce(replace(history.classification, '_', ' '), 'unclassified'), history.sensitivity,
            'owner ' || history.owner, 'main branch ' || history.default_branch
        ) AS told
    FROM compliance.repository_history AS history
    WHERE
        history.workspace = %(workspace)s
        AND history.repository_id IN (
            SELECT moved.repository_id
            FROM compliance.repository_history AS moved
            WHERE
                moved.workspace = %(workspace)s
                AND (
                    (moved.valid_from > %(since)s::timestamptz AND moved.valid_from <= %(until)s::timestamptz)
                    OR (moved.valid_to > %(since)s::timestamptz AND moved.valid_to <= %(until)s::timestamptz)
                )
        )
),

repositories_before AS (
    SELECT * FROM repository_states WHERE is_before
),

repositories_after AS (
    SELECT * FROM repository_states WHERE is_after
),

repository_changes AS (
    SELECT
        coalesce(after.valid_from, earlier.valid_to) AS at,
        'repository' AS kind,
        'repository' AS subject_type,
        coalesce(after.repository_id, earlier.repository_id) AS subject_id,
        coalesce(after.name, earlier.name) AS name,
        null AS test_id,
        earlier.told AS was,
        after.told AS became,
        CASE
            WHEN earlier.repository_id IS null THEN 'new in the inventory'
            WHEN after.repository_id IS null THEN 'left the inventory'
            ELSE 'was changed'
        END AS why,
        null AS person,
        null AS ref
    FROM repositories_before AS earlier
    FULL OUTER JOIN repositories_after AS after ON earlier.repository_id = after.repository_id
    WHERE earlier.told IS DISTINCT FROM after.told
),

-- A member came whom no test knew at the first moment, and went whom none knows at the second.
member_changes AS (
    SELECT
        max(after.valid_from) AS at,
        'member' AS kind,
        'member' AS subject_type,
        after.subject_id,
        coalesce(max(after.subject_name), after.subject_id) AS name,
        null AS test_id,
        CASE WHEN NOT bool_or(after.is_there) THEN 'member' END AS was,
        CASE WHEN bool_or(after.is_there) THEN 'member' END AS became,
        CASE WHEN bool_or(after.is_there) THEN 'new in the workspace' ELSE 'left the workspace' END AS why,
        null AS person,
        null AS ref
    FROM standing_after AS after
    LEFT JOIN standing_before AS earlier
        ON after.test_id = earlier.test_id AND after.subject_id = earlier.subject_id
    WHERE after.subject_type = 'member' AND after.reason_code <> 'test_disabled'
    GROUP BY after.subject_id
    HAVING
        bool_or(after.is_there) <> (
            bool_or(earlier.subject_id IS NOT null)
            OR EXISTS (
                SELECT 1
                FROM compliance.tests AS tests
                INNER JOIN compliance.result_history AS history
                    ON
                        history.workspace = %(workspace)s
                        AND tests.test_id = history.test_id
                        AND after.subject_id = history.subject_id
                WHERE
                    history.valid_from <= %(since)s::timestamptz
                    AND (history.valid_to IS null OR history.valid_to > %(since)s::timestamptz)
                    AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
            )
        )
),

exception_moments AS (
    SELECT
        requests.exception_id,
        requests.requested_at AS at,
        'asked for' AS became,
        requests.reason AS why,
        requests.requested_by::text AS person
    FROM registry.exceptions AS requests
    UNION ALL
    SELECT
        decided.exception_id,
        decided.decided_at,
        decided.decision,
        decided.reason,
        decided.decided_by::text
    FROM registry.exception_decisions AS decided
    UNION ALL
    SELECT
        endings.exception_id,
        min(endings.ended_at),
        'ended for ' || count(*) || ' subjects',
        replace(endings.cause, '_', ' '),
        null
    FROM compliance.exception_endings AS endings
    WHERE endings.workspace = %(workspace)s
    GROUP BY endings.exception_id, endings.cause
),

decisions AS (
    SELECT
        moments.at,
        'decision' AS kind,
        null AS subject_type,
        null AS subject_id,
        'evidence ' || coalesce(handed_in.file_name, handed_in.evidence_id::text) AS name,
        handed_in.test_id,
        null AS was,
        moments.became,
        moments.why,
        moments.person,
        'evidence/' || handed_in.evidence_id AS ref
    FROM registry.evidence AS handed_in
    CROSS JOIN
        LATERAL (
            SELECT
                handed_in.submitted_at AS at,
                'handed in' AS became,
                handed_in.note AS why,
                handed_in.submitted_by::text AS person
            UNION ALL
            SELECT
                decided.decided_at,
                decided.decision,
                decided.reason,
                decided.decided_by::text
            FROM registry.evidence_decisions AS decided
            WHERE decided.evidence_id = handed_in.evidence_id
        ) AS moments
    WHERE handed_in.workspace IS null OR handed_in.workspace = lower(%(workspace)s)
    UNION ALL
    SELECT
        moments.at,
        'decision',
        null,
        null,
        'exception for '
        || CASE asked.scope
            WHEN 'subject' THEN coalesce(named.subject_name, asked.target) ELSE asked.scope || ' ' || asked.target
        END,
        asked.test_id,
        null,
        moments.became,
        moments.why,
        moments.person,
        'exceptions/' || asked.exception_id
    FROM registry.exceptions AS asked
    INNER JOIN exception_moments AS moments ON asked.exception_id = moments.exception_id
    LEFT JOIN compliance.results AS named
        ON
            asked.workspace = named.workspace
            AND asked.test_id = named.test_id
            AND asked.scope = 'subject'
            AND asked.target = named.subject_id
    WHERE asked.workspace = %(workspace)s
    UNION ALL
    SELECT
        declared.valid_from,
        'decision',
        null,
        null,
        'classification of ' || declared.target_type || ' ' || declared.target,
        null,
        null,
        coalesce(
            replace(declared.classification, '_', ' ')
            || coalesce(', ' || declared.sensitivity, '') || coalesce(', owner ' || declared.owner, ''),
            'taken back'
        ),
        declared.file_name,
        declared.set_by,
        'repositories'
    FROM registry.classification_history AS declared
    WHERE declared.workspace IS null OR declared.workspace = lower(%(workspace)s)
    UNION ALL
    SELECT
        reviews.reviewed_at,
        'decision',
        'member',
        reviews.member_id,
        'access of ' || coalesce(reviews.display_name, reviews.member_id),
        null,
        null,
        CASE reviews.decision WHEN 'keep' THEN 'kept' ELSE 'to be revoked' END,
        reviews.reason,
        reviews.reviewed_by::text,
        null
    FROM registry.access_reviews AS reviews
    WHERE reviews.workspace = %(workspace)s
    UNION ALL
    SELECT
        assignments.assigned_at,
        'decision',
        findings.subject_type,
        findings.subject_id,
        'finding on ' || coalesce(findings.subject_name, findings.subject_id),
        findings.test_id,
        null,
        coalesce('assigned to ' || assignments.assigned_to, 'assigned to nobody'),
        assignments.note,
        assignments.assigned_by::text,
        null
    FROM registry.finding_assignments AS assignments
    INNER JOIN compliance.finding_records AS findings ON assignments.finding_id = findings.finding_id
    WHERE assignments.workspace = %(workspace)s
    UNION ALL
    SELECT
        imports.imported_at,
        'decision',
        null,
        null,
        'import of ' || coalesce(imports.roster_name || ', ', '') || imports.file_name,
        null,
        null,
        imports.row_count || ' rows of '
        || CASE imports.kind WHEN 'mfa' THEN 'two-step verification' ELSE imports.kind END,
        null,
        imports.imported_by,
        'imports'
    FROM registry.imports AS imports
),

policy_changes AS (
    SELECT
        states.set_at AS at,
        'policy' AS kind,
        null AS subject_type,
        null AS subject_id,
        'policy ' || states.override_id AS name,
        null AS test_id,
        null AS was,
        CASE WHEN states.lowers = '{}' THEN 'set' ELSE 'proposed' END AS became,
        states.reason AS why,
        states.set_by::text AS person,
        'policies/' || states.override_id AS ref
    FROM registry.policy_states AS states
    WHERE states.workspace = lower(%(workspace)s)
    UNION ALL
    SELECT
        states.decided_at,
        'policy',
        null,
        null,
        'policy ' || states.override_id,
        null,
        null,
        states.status,
        states.decision_reason,
        states.decided_by::text,
        'policies/' || states.override_id
    FROM registry.policy_states AS states
    WHERE states.workspace = lower(%(workspace)s) AND states.decided_at IS NOT null
    UNION ALL
    SELECT
        versions.started_at,
        'policy',
        null,
        null,
        'policy in force',
        null,
        versions.was,
        versions.policy_version,
        'from this run on',
        null,
        'policies/' || versions.policy_version
    FROM (
        SELECT
            runs.started_at,
            runs.policy_version,
            lag(runs.policy_version) OVER (ORDER BY runs.started_at) AS was
        FROM compliance.runs AS runs
        WHERE runs.workspace = %(workspace)s AND runs.status = 'published'
    ) AS versions
    WHERE versions.was <> versions.policy_version
),

everything AS (
    SELECT * FROM verdicts
    UNION ALL
    SELECT * FROM findings
    UNION ALL
    SELECT * FROM repository_changes
    UNION ALL
    SELECT * FROM member_changes
    UNION ALL
    SELECT *
    FROM (
        SELECT * FROM decisions
        UNION ALL
        SELECT * FROM policy_changes
    ) AS decided
    WHERE decided.at > %(since)s::timestamptz AND decided.at <= %(until)s::timestamptz
),

found AS MATERIALIZED (
    SELECT everything.*
    FROM everything
    WHERE
        %(search)s::text = ''
        OR strpos(lower(everything.name), lower(%(search)s)) > 0
        OR strpos(lower(everything.why), lower(%(search)s)) > 0
),

counted AS (
    SELECT
        count(*) FILTER (WHERE found.kind = 'verdict') AS verdicts,
        count(*) FILTER (WHERE found.kind = 'finding') AS findings,
        count(*) FILTER (WHERE found.kind = 'repository') AS repositories,
        count(*) FILTER (WHERE found.kind = 'member') AS members,
        count(*) FILTER (WHERE found.kind = 'decision') AS decisions,
        count(*) FILTER (WHERE found.kind = 'policy') AS policies,
        count(*) FILTER (WHERE %(kind)s::text = '' OR found.kind = %(kind)s) AS total
    FROM found
),

shown AS (
    SELECT found.*
    FROM found
    WHERE %(kind)s::text = '' OR found.kind = %(kind)s
    ORDER BY found.at DESC, found.kind ASC, found.name ASC, found.test_id ASC, found.subject_id ASC
    LIMIT %(limit)s::bigint OFFSET %(offset)s
)

SELECT
    shown.*,
    counted.*,
    tests.test_title
FROM shown
CROSS JOIN counted
LEFT JOIN compliance.tests AS tests ON shown.test_id = tests.test_id
ORDER BY shown.at DESC, shown.kind ASC, shown.name ASC, shown.test_id ASC, shown.subject_id ASC;
