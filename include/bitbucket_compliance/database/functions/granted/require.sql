-- Purpose: refuse whoever asks for days of a workspace that were not granted to their login. A login is who
-- logged in, whatever role it stepped into.

CREATE FUNCTION granted.require(in_workspace text, first_day date, last_day date) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $require$
BEGIN
    IF NOT EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND held.workspace = in_workspace
            AND coalesce(require.first_day >= held.first_day, held.first_day IS null)
            AND coalesce(require.last_day <= held.last_day, held.last_day IS null)
    ) THEN
        RAISE EXCEPTION 'the days from % to % of workspace % are not granted to %',
            require.first_day, require.last_day, in_workspace, session_user
            USING
                HINT = 'The view granted.workspaces shows what is; the command grant-auditor grants more.',
                ERRCODE = 'insufficient_privilege';
    END IF;
END
$require$;
