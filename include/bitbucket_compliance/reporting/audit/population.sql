-- Purpose: how many changes of the period a sample is drawn from, and the digest of them all: SHA-256 of their digests
-- in the order of their keys, a line each.

WITH drawn AS MATERIALIZED (
    SELECT
        changes.repository_id || CASE changes.kind
            WHEN 'pull_request' THEN '#' || changes.pull_request_id
            ELSE '@' || coalesce(changes.commit_hash, changes.change_key)
        END AS sample_key,
        encode(integration.row_digest(to_jsonb(changes), ARRAY['workspace']), 'hex') AS row_digest
    FROM compliance.changes AS changes
    WHERE
        changes.workspace = %(workspace)s
        AND changes.in_scope
        AND changes.merged_on >= %(starts_at)s
        AND changes.merged_on < %(ends_at)s
)

SELECT
    count(*) AS population,
    encode(
        sha256(
            convert_to(
                coalesce(
                    string_agg(
                        drawn.row_digest, E'\n'
                        ORDER BY convert_to(drawn.sample_key, 'UTF8'), decode(drawn.row_digest, 'hex')
                    ),
                    ''
                ),
                'UTF8'
            )
        ),
        'hex'
    ) AS digest
FROM drawn;
