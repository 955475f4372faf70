-- Purpose: the changes that a seed draws from the population: the first ones in the order of SHA-256 of seed, colon, key.

SELECT
    row_number() OVER (ORDER BY drawn.draw_digest, drawn.sample_key, drawn.change_key) AS place,
    drawn.*
FROM (
    SELECT
        keyed.*,
        encode(sha256(convert_to(%(seed)s || ':' || keyed.sample_key, 'UTF8')), 'hex') COLLATE "C" AS draw_digest
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
ORDER BY drawn.draw_digest, drawn.sample_key COLLATE "C", drawn.change_key COLLATE "C"
LIMIT %(size)s;
