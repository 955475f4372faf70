-- Purpose: the rows of a recorded table that belong to a workspace (empty: to none) as they are today: key, digest, and
-- the JSON that the digest is taken of.

CREATE FUNCTION integration.record_today(of_workspace text, of_relation text)
RETURNS TABLE (row_key text, digest text, body jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $today$
DECLARE
    recorded record;
BEGIN
    -- A name that is not among the recorded tables finds none, and none is looked into.
    FOR recorded IN SELECT * FROM integration.recorded_tables() AS one WHERE one.relation = of_relation LOOP
        RETURN QUERY EXECUTE format(
            -- As integration.row_key and integration.row_digest, which cost as much to call as all the rest; each row
            -- becomes JSON once (OFFSET 0).
            $rows$
            SELECT
                jsonb_build_array(%s)::text,
                encode(sha256(convert_to(bodies.body::text, 'UTF8')), 'hex'),
                bodies.body
            FROM (
                SELECT rows.body - $2 AS body
                FROM (SELECT to_jsonb(one) AS body FROM %s AS one OFFSET 0) AS rows
                WHERE coalesce(rows.body ->> 'workspace', '') = $1
                OFFSET 0
            ) AS bodies
            $rows$,
            (SELECT string_agg(format('bodies.body -> %L', keys.name), ', ' ORDER BY keys.place)
             FROM unnest(recorded.key_columns) WITH ORDINALITY AS keys (name, place)),
            recorded.relation
        ) USING of_workspace, recorded.left_out;
    END LOOP;
END
$today$;

GRANT EXECUTE ON FUNCTION integration.record_today(text, text) TO compliance_pipeline;
