-- Purpose: bind a key to the addresses that took it; the first ones stay, unless they are to be replaced.

INSERT INTO integration.key_origins AS bound (consumer_key, api_origin, oauth_origin, bound_at)
VALUES (%(key)s, %(api_origin)s, %(oauth_origin)s, clock_timestamp())
ON CONFLICT (consumer_key) DO UPDATE SET
    api_origin = excluded.api_origin,
    oauth_origin = excluded.oauth_origin,
    bound_at = excluded.bound_at
WHERE %(replaces)s;
