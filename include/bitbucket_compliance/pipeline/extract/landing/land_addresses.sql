-- Purpose: note which declared addresses were answered, whether anybody has them or not.

INSERT INTO landing.looked_up_emails AS known (workspace, email, run_id, asked_at)
SELECT DISTINCT ON (incoming.email)
    %(workspace)s,
    incoming.email,
    %(run_id)s,
    incoming.asked_at
FROM incoming_addresses AS incoming
ORDER BY incoming.email ASC, incoming.asked_at DESC
ON CONFLICT (workspace, email) DO UPDATE
    SET run_id = excluded.run_id, asked_at = excluded.asked_at;
