-- Purpose: what is declared at this moment of some repositories, and by which entry.

SELECT
    standing.repository_id,
    standing.classification,
    standing.sensitivity,
    standing.owner,
    standing.target_type,
    standing.target
FROM registry.repository_classification AS standing
WHERE standing.workspace = %(workspace)s AND standing.repository_id = any(%(repository_ids)s::text[]);
