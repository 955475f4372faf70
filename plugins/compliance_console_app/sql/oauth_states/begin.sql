-- Purpose: remember a consent that begins; those of yesterday go.

WITH forgotten AS (
    DELETE FROM integration.oauth_states AS old
    WHERE old.created_at < clock_timestamp() - interval '1 day'
)

INSERT INTO integration.oauth_states (state_hash, conn_id, login, redirect_uri)
VALUES (%(state_hash)s, %(conn_id)s, %(login)s, %(redirect_uri)s)
RETURNING created_at;
