-- Purpose: add an event to a connection's history.
INSERT INTO integration.connection_events (conn_id, event, detail)
VALUES (%(conn_id)s, %(event)s, %(detail)s)
RETURNING event_id;
