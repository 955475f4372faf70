-- Purpose: stage the scopes that Bitbucket said the token has.

INSERT INTO staging.granted_scopes (workspace, run_id, scopes, data_as_of)
SELECT
    runs.workspace,
    runs.run_id,
    runs.scopes_granted,
    runs.started_at
FROM integration.runs AS runs
WHERE runs.run_id = %(run_id)s AND runs.workspace = %(workspace)s
ON CONFLICT (workspace) DO UPDATE
    SET run_id = excluded.run_id, scopes = excluded.scopes, data_as_of = excluded.data_as_of;
