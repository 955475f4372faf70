-- Purpose: the population of changes of the period, each with the key by which samples are drawn and its digest in the
-- record.

SELECT
    changes.*,
    changes.repository_id || CASE changes.kind
        WHEN 'pull_request' THEN '#' || changes.pull_request_id
        ELSE '@' || coalesce(changes.commit_hash, changes.change_key)
    END AS sample_key,
    encode(integration.row_digest(to_jsonb(changes), ARRAY['workspace']), 'hex') AS row_digest
FROM compliance.changes AS changes
WHERE
    changes.workspace = %(workspace)s
    AND changes.merged_on >= %(starts_at)s
    AND changes.merged_on < %(ends_at)s
ORDER BY changes.merged_on, changes.repository_id, changes.kind, changes.change_key;
