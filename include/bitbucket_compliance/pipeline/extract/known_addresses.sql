-- Purpose: addresses whose answer still counts.

SELECT known.email
FROM landing.looked_up_emails AS known
WHERE known.workspace = %(workspace)s;
