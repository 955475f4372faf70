-- Purpose: add an entry to the audit trail.

INSERT INTO integration.console_audit (actor, action, subject, before, after)
VALUES (%(actor)s, %(action)s, %(subject)s, %(before)s, %(after)s)
RETURNING audit_id;
