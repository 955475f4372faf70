-- Purpose: trigger of the lines of rosters: those of the last 400 days are never deleted, by retention neither.

CREATE FUNCTION registry.keep_rosters() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $keep$
BEGIN
    IF EXISTS (
        SELECT 1
        FROM gone
        INNER JOIN registry.imports AS imports ON gone.import_id = imports.import_id
        WHERE imports.imported_at > clock_timestamp() - interval '400 days'
    ) THEN
        RAISE EXCEPTION 'rosters are kept for 400 days at least' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN null;
END
$keep$;

CREATE TRIGGER young_rosters_are_kept
AFTER DELETE ON registry.people REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION registry.keep_rosters();
