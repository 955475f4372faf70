-- Purpose: entries of the audit trail older than a number, newest first; one more than a page tells of a next page.

SELECT
    audit.audit_id,
    audit.at,
    audit.actor,
    audit.action,
    audit.subject,
    audit.before,
    audit.after
FROM integration.console_audit AS audit
WHERE
    (%(older_than)s::bigint IS null OR audit.audit_id < %(older_than)s::bigint)
    AND (%(actor)s::text = '' OR audit.actor = %(actor)s::text)
    AND (%(action)s::text = '' OR audit.action = %(action)s::text)
    AND (%(about)s::text = '' OR strpos(lower(audit.subject), lower(%(about)s::text)) > 0)
ORDER BY audit.audit_id DESC
LIMIT %(entries)s::int;
