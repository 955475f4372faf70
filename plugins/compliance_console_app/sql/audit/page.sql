-- Purpose: what was done, newest first: entries that one person made within moments of each other, of the same action
-- and with the same outcome, are one; one more than a page tells of a next page.

WITH chosen AS (
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
        AND (%(since)s::date IS null OR audit.at >= %(since)s::date::timestamp AT TIME ZONE 'UTC')
        AND (%(until)s::date IS null OR audit.at < (%(until)s::date + 1)::timestamp AT TIME ZONE 'UTC')
    ORDER BY audit.audit_id DESC
    -- Whatever is done at once is no more than this.
    LIMIT 20000
),

compared AS (
    SELECT
        chosen.*,
        coalesce(
            lag(chosen.actor) OVER newest_first = chosen.actor
            AND lag(chosen.action) OVER newest_first = chosen.action
            AND lag(chosen.at) OVER newest_first - chosen.at < interval '2 seconds'
            AND lag(chosen.after) OVER newest_first IS NOT DISTINCT FROM chosen.after,
            false
        ) AS goes_on
    FROM chosen
    WINDOW newest_first AS (ORDER BY chosen.audit_id DESC)
),

numbered AS (
    SELECT
        compared.*,
        count(*) FILTER (WHERE NOT compared.goes_on) OVER (ORDER BY compared.audit_id DESC) AS act
    FROM compared
)

SELECT
    numbered.act,
    min(numbered.audit_id) AS audit_id,
    max(numbered.at) AS at,
    min(numbered.actor) AS actor,
    min(numbered.action) AS action,
    count(*) AS entries,
    (array_agg(numbered.subject ORDER BY numbered.audit_id))[1:100] AS subjects,
    CASE WHEN count(DISTINCT coalesce(numbered.before, 'null')) = 1 THEN (array_agg(numbered.before))[1] END AS before,
    (array_agg(numbered.after))[1] AS after
FROM numbered
GROUP BY numbered.act
ORDER BY numbered.act ASC
LIMIT %(entries)s::int;
