-- Purpose: where a key's secrets may go.

SELECT
    api_origin,
    oauth_origin
FROM integration.key_origins
WHERE consumer_key = %(key)s;
