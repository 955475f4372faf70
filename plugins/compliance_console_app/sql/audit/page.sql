-- Purpose: what was done, newest first: entries of the same action that one person made within moments of each other
-- are one, with the outcome that all of them share; one more than a page tells of a next page.

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
            AND lag(chosen.at) OVER newest_first - chosen.at < interval '2 seconds',
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
),

shown AS (
    SELECT
        numbered.*,
        count(*) OVER (PARTITION BY numbered.act) AS entries
    FROM numbered
    WHERE numbered.act <= %(entries)s::int
),

outcomes AS (
    SELECT
        shared.act,
        jsonb_object_agg(shared.key, shared.value) AS after
    FROM (
        SELECT
            shown.act,
            facts.key,
            facts.value
        FROM shown
        CROSS JOIN LATERAL jsonb_each(shown.after) AS facts (key, value)
        GROUP BY shown.act, shown.entries, facts.key, facts.value
        HAVING count(*) = shown.entries
    ) AS shared
    GROUP BY shared.act
)

SELECT
    shown.act,
    min(shown.audit_id) AS audit_id,
    max(shown.at) AS at,
    min(shown.actor) AS actor,
    min(shown.action) AS action,
    count(*) AS entries,
    (array_agg(shown.subject ORDER BY shown.audit_id))[1:100] AS subjects,
    CASE WHEN count(DISTINCT coalesce(shown.before, 'null')) = 1 THEN (array_agg(shown.before))[1] END AS before,
    (array_agg(outcomes.after))[1] AS after
FROM shown
LEFT JOIN outcomes ON shown.act = outcomes.act
GROUP BY shown.act
ORDER BY shown.act ASC;
