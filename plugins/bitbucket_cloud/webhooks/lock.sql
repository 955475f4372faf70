-- Purpose: let one process at a time look after the webhooks of a connection in a workspace; held by the session.
SELECT pg_advisory_lock(hashtextextended('webhooks ' || %(conn_id)s || ' ' || %(workspace)s, 0));
