-- Purpose: the subjects of some tests of which merges of a period went around a rule that was in force then, as those
-- verdicts say that stood after the merge, the most first.

WITH told AS (
    SELECT
        history.test_id,
        history.subject_type,
        history.subject_id,
        history.subject_name,
        history.reason,
        history.valid_from,
        history.valid_to,
        (history.detail ->> 'in_force_since')::timestamptz AS in_force_since
    FROM compliance.result_history AS history
    WHERE
        history.workspace = %(workspace)s
        AND history.test_id = any(%(test_ids)s::text[])
        AND history.bypassed > 0
        AND coalesce(history.valid_to > %(since)s::timestamptz, true)
),

past_rules AS (
    SELECT DISTINCT ON (told.test_id, changes.repository_id, changes.change_key)
        told.*,
        changes.change_key
    FROM told
    INNER JOIN compliance.changes AS changes
        ON
            changes.workspace = %(workspace)s
            AND told.subject_id = changes.repository_id
            AND changes.kind = 'pull_request'
            AND changes.merged_on BETWEEN %(since)s::timestamptz AND %(until)s::timestamptz
            AND told.in_force_since <= changes.merged_on
            AND coalesce(told.valid_to > changes.merged_on, true)
            AND (
                (told.test_id = 'status_checks_required' AND changes.status_checks_passed IS false)
                OR (told.test_id = 'peer_review_required' AND changes.peer_reviewed IS false)
            )
    ORDER BY told.test_id ASC, changes.repository_id ASC, changes.change_key ASC, told.valid_from DESC
),

counted AS (
    SELECT DISTINCT ON (past_rules.test_id, past_rules.subject_id)
        past_rules.test_id,
        past_rules.subject_type,
        past_rules.subject_id,
        coalesce(past_rules.subject_name, past_rules.subject_id) AS subject_name,
        past_rules.reason,
        count(*) OVER (PARTITION BY past_rules.test_id, past_rules.subject_id) AS bypassed
    FROM past_rules
    ORDER BY past_rules.test_id ASC, past_rules.subject_id ASC, past_rules.valid_from DESC
)

SELECT
    counted.test_id,
    coalesce(tests.test_title, counted.test_id) AS test_title,
    counted.subject_type,
    counted.subject_id,
    counted.subject_name,
    counted.bypassed,
    counted.reason
FROM counted
LEFT JOIN compliance.tests AS tests ON counted.test_id = tests.test_id
ORDER BY counted.bypassed DESC, counted.subject_name ASC
LIMIT %(limit)s;
