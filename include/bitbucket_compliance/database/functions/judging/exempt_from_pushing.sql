-- Purpose: who is exempt from the restrictions on pushing, as the end of a sentence: the first ten by name, and how
-- many more; nobody: null.

CREATE FUNCTION judging.exempt_from_pushing(exempt_users jsonb, exempt_groups jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
AS $exempt_from_pushing$
    WITH named AS (
        SELECT coalesce(users.body ->> 'display_name', users.body ->> 'uuid', 'an unknown account') AS name
        FROM jsonb_array_elements(exempt_users) AS users (body)
        UNION ALL
        SELECT 'group ' || coalesce(groups.body ->> 'name', groups.body ->> 'slug', 'without a name') AS name
        FROM jsonb_array_elements(exempt_groups) AS groups (body)
    )

    SELECT
        array_to_string((array_agg(named.name ORDER BY named.name))[1:10], ', ')
        || CASE WHEN count(*) > 10 THEN format(' and %s more', count(*) - 10) ELSE '' END
    FROM named
    HAVING count(*) > 0
$exempt_from_pushing$;
