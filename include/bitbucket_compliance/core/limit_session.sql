-- Purpose: limit what a session may wait for, where the server does not limit it further, and give it a name where it
-- has none. Settings that this server doesn't know are left out.

SELECT
    (
        SELECT count(set_config(wanted.name, wanted.milliseconds::text, false))
        FROM unnest(%(names)s::text[], %(limits)s::integer[]) AS wanted (name, milliseconds)
        INNER JOIN pg_settings AS settings ON wanted.name = settings.name
        WHERE settings.setting::integer = 0 OR settings.setting::integer > wanted.milliseconds
    ) AS limited,
    set_config(
        'application_name', coalesce(nullif(current_setting('application_name'), ''), %(application_name)s), false
    ) AS application_name;
