-- Purpose: statements that drop the pipeline's triggers, views and functions, the newest first: what depends on another
-- one was made after it. They are those in its own schemas that belong to one of the roles that make them.

WITH schemas AS (
    SELECT namespaces.oid
    FROM pg_namespace AS namespaces
    WHERE pg_get_userbyid(namespaces.nspowner) = 'compliance_owner'
),

makers AS (
    SELECT roles.oid
    FROM pg_roles AS roles
    WHERE roles.rolname IN ('compliance_owner', 'compliance_vault')
),

droppable AS (
    SELECT
        triggers.oid AS made,
        format('DROP TRIGGER %I ON %s', triggers.tgname, triggers.tgrelid::regclass) AS statement
    FROM pg_trigger AS triggers
    INNER JOIN pg_class AS tables ON triggers.tgrelid = tables.oid
    INNER JOIN pg_proc AS functions ON triggers.tgfoid = functions.oid
    WHERE
        NOT triggers.tgisinternal
        AND tables.relnamespace IN (SELECT schemas.oid FROM schemas)
        AND functions.pronamespace IN (SELECT schemas.oid FROM schemas)
    UNION ALL
    SELECT
        views.oid AS made,
        format('DROP VIEW %s', views.oid::regclass) AS statement
    FROM pg_class AS views
    WHERE
        views.relkind = 'v'
        AND views.relnamespace IN (SELECT schemas.oid FROM schemas)
        AND views.relowner IN (SELECT makers.oid FROM makers)
    UNION ALL
    SELECT
        functions.oid AS made,
        format('DROP ROUTINE %s', functions.oid::regprocedure) AS statement
    FROM pg_proc AS functions
    WHERE
        functions.pronamespace IN (SELECT schemas.oid FROM schemas)
        AND functions.proowner IN (SELECT makers.oid FROM makers)
)

SELECT droppable.statement
FROM droppable
ORDER BY droppable.made DESC;
