-- Purpose: use up the state of a consent; a row only the first time, in time, and for the login it was made for.

UPDATE integration.oauth_states AS states
SET used_at = clock_timestamp()
WHERE
    states.state_hash = %(state_hash)s
    AND states.login = %(login)s
    AND states.used_at IS null
    AND states.created_at > clock_timestamp() - make_interval(mins => %(minutes)s)
RETURNING
    states.conn_id,
    states.redirect_uri;
