-- Purpose: the connections that were connected with one OAuth key.
SELECT conn_id
FROM integration.token_vault
WHERE consumer = %(consumer)s
ORDER BY conn_id;
