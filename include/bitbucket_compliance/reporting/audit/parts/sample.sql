-- Purpose: the changes that a seed draws from the population: the first ones in the order of SHA-256 of seed, colon and
-- key; with what was read of their activity.

SELECT
    row_number() OVER in_order AS place,
    drawn.*,
    reads.approved_at,
    reads.approvers,
    reads.changed_last_at,
    reads.changed_last_by,
    reads.merged_at,
    reads.merge_made_by,
    reads.approvals_after_last_change,
    reads.approved_before_last_change,
    reads.statuses,
    reads.not_known_because,
    reads.read_at
FROM (
    SELECT
        keyed.*,
        encode(sha256(convert_to(%(seed)s || ':' || keyed.sample_key, 'UTF8')), 'hex') AS draw_digest
    FROM (
        SELECT
            changes.*,
            changes.repository_id || CASE changes.kind
                WHEN 'pull_request' THEN '#' || changes.pull_request_id
                ELSE '@' || coalesce(changes.commit_hash, changes.change_key)
            END AS sample_key
        FROM compliance.changes AS changes
        WHERE
            changes.workspace = %(workspace)s
            AND changes.in_scope
            AND changes.merged_on >= %(starts_at)s
            AND changes.merged_on < %(ends_at)s
    ) AS keyed
) AS drawn
LEFT JOIN jsonb_to_recordset(%(reads)s::jsonb) AS reads (
    sample_key text,
    change_key text,
    approved_at timestamptz,
    approvers text[],
    changed_last_at timestamptz,
    changed_last_by text,
    merged_at timestamptz,
    merge_made_by text,
    approvals_after_last_change integer,
    approved_before_last_change text,
    statuses jsonb,
    not_known_because text,
    read_at timestamptz
) ON drawn.sample_key = reads.sample_key AND drawn.change_key = reads.change_key
WINDOW
    in_order AS (
        ORDER BY
            decode(drawn.draw_digest, 'hex'), convert_to(drawn.sample_key, 'UTF8'), convert_to(drawn.change_key, 'UTF8')
    )
ORDER BY place
LIMIT %(size)s;
