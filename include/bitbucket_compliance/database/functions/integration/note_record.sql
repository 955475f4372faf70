-- Purpose: trigger of every recorded table: note the digest of each row that was written.

CREATE FUNCTION integration.note_record() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $note$
BEGIN
    INSERT INTO integration.record_rows (workspace, batch, relation, row_key, digest)
    WITH bodies AS (
        SELECT
            to_jsonb(written) AS body,
            coalesce(to_jsonb(written) ->> 'workspace', '') AS workspace
        FROM written
    ),

    batches AS MATERIALIZED (
        SELECT
            named.workspace,
            integration.record_batch(named.workspace) AS batch
        FROM (SELECT DISTINCT bodies.workspace FROM bodies) AS named
    )

    SELECT
        bodies.workspace,
        batches.batch,
        recorded.relation,
        integration.row_key(bodies.body, recorded.key_columns),
        integration.row_digest(bodies.body, recorded.left_out)
    FROM integration.recorded_tables() AS recorded
    CROSS JOIN bodies
    INNER JOIN batches ON bodies.workspace = batches.workspace
    WHERE recorded.relation = format('%s.%s', tg_table_schema, tg_table_name);
    RETURN null;
END
$note$;

DO $record$
DECLARE
    one text;
BEGIN
    FOR one IN SELECT recorded.relation FROM integration.recorded_tables() AS recorded LOOP
        EXECUTE format(
            'CREATE TRIGGER new_rows_are_recorded AFTER INSERT ON %s REFERENCING NEW TABLE AS written'
            || ' FOR EACH STATEMENT EXECUTE FUNCTION integration.note_record()',
            one
        );
        EXECUTE format(
            'CREATE TRIGGER changes_are_recorded AFTER UPDATE ON %s REFERENCING NEW TABLE AS written'
            || ' FOR EACH STATEMENT EXECUTE FUNCTION integration.note_record()',
            one
        );
    END LOOP;
END
$record$;
