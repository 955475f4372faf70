-- Purpose: the changes that a seed draws from the population: the first ones in the order of SHA-256 of seed, colon and
-- key.

SELECT
    row_number() OVER in_order AS place,
    drawn.*
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
WINDOW
    in_order AS (
        ORDER BY
            decode(drawn.draw_digest, 'hex'), convert_to(drawn.sample_key, 'UTF8'), convert_to(drawn.change_key, 'UTF8')
    )
ORDER BY place
LIMIT %(size)s;
