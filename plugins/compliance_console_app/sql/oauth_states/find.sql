-- Purpose: why a state could not be taken.

SELECT
    states.login,
    states.used_at
FROM integration.oauth_states AS states
WHERE states.state_hash = %(state_hash)s;
