-- Purpose: the links of the chains of the record: the workspace's own, and that of what belongs to no workspace.

SELECT
    CASE links.workspace WHEN '' THEN 'shared' ELSE 'workspace' END AS chain,
    links.link,
    to_char(links.sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS sealed_at,
    links.run_id,
    links.row_count,
    links.digest
FROM compliance.record_links AS links
WHERE links.workspace IN (%(workspace)s, '')
ORDER BY links.workspace, links.link;
