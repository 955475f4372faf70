-- Purpose: let equal deliveries of one instant follow one another, until the transaction ends.

SELECT pg_advisory_xact_lock(hashtextextended('webhook ' || %(conn_id)s || ' ' || %(body_hash)s, 0));
