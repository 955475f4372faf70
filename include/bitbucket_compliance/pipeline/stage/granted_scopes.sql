-- Purpose: the scopes that Bitbucket said the token has.

SELECT
    runs.workspace,
    runs.run_id,
    runs.scopes_granted AS scopes,
    runs.started_at AS data_as_of
FROM integration.runs AS runs
WHERE runs.run_id = %(run_id)s AND runs.workspace = %(workspace)s;
