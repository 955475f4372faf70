-- Purpose: single entries of the audit trail that a filter leaves, newest first.

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
    (%(actor)s::text = '' OR audit.actor = %(actor)s::text)
    AND (%(action)s::text = '' OR audit.action = %(action)s::text)
    AND (%(about)s::text = '' OR strpos(lower(audit.subject), lower(%(about)s::text)) > 0)
    AND (%(since)s::date IS null OR audit.at >= %(since)s::date::timestamp AT TIME ZONE 'UTC')
    AND (%(until)s::date IS null OR audit.at < (%(until)s::date + 1)::timestamp AT TIME ZONE 'UTC')
ORDER BY audit.audit_id DESC;
