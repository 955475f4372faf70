-- Purpose: the scopes that Bitbucket named to the newest run of these workspaces that heard of any.

SELECT runs.scopes_granted
FROM compliance.runs AS runs
WHERE runs.workspace = any(%(workspaces)s::text[]) AND runs.scopes_granted IS NOT null
ORDER BY runs.started_at DESC
LIMIT 1;
