-- Purpose: let one task at a time send through a connection, so that two runs at once don't tell a change twice.

SELECT pg_advisory_xact_lock(hashtextextended('notifications|' || %(conn_id)s, 0));
