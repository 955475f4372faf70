-- Purpose: how many rows a purge of a workspace would delete, by table; the schema of each.

CREATE FUNCTION integration.purgeable(of_workspace text) RETURNS TABLE (schema_name text, entries bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $purgeable$
DECLARE
    one regclass;
    counted bigint;
BEGIN
    FOR one IN SELECT integration.purgeable_tables() LOOP
        EXECUTE format('SELECT count(*) FROM %s WHERE workspace = $1', one) INTO counted USING of_workspace;
        schema_name := (
            SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = one
        );
        entries := counted;
        RETURN NEXT;
    END LOOP;
END
$purgeable$;

GRANT EXECUTE ON FUNCTION integration.purgeable(text) TO compliance_console;
