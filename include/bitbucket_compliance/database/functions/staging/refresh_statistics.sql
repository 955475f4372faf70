-- Purpose: the planner's statistics right after a bulk load, of a whole schema or of some of its tables: without them
-- it takes every table for empty until autovacuum comes by. A table that another workspace's transaction has just
-- looked at is left out: it would have to be waited for until that one ends.

CREATE FUNCTION staging.refresh_statistics(schema_name text, only_tables text[] DEFAULT null) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $statistics$
DECLARE
    table_name text;
BEGIN
    IF schema_name NOT IN ('landing', 'staging', 'registry', 'judged', 'compliance') THEN
        RAISE EXCEPTION 'statistics of schema % are none of the pipeline''s business', schema_name;
    END IF;
    FOR table_name IN
        SELECT tables.tablename
        FROM pg_tables AS tables
        WHERE tables.schemaname = schema_name AND (only_tables IS null OR tables.tablename = any(only_tables))
    LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %I.%I', schema_name, table_name);
    END LOOP;
END
$statistics$;

GRANT EXECUTE ON FUNCTION staging.refresh_statistics(text, text[]) TO compliance_pipeline, compliance_console;
