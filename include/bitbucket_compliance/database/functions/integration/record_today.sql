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
            $rows$
            SELECT
                integration.row_key(bodies.body, $2),
                encode(integration.row_digest(bodies.body, $3), 'hex'),
                bodies.body - $3
            FROM (SELECT to_jsonb(one) AS body FROM %s AS one) AS bodies
            WHERE coalesce(bodies.body ->> 'workspace', '') = $1
            $rows$,
            recorded.relation
        ) USING of_workspace, recorded.key_columns, recorded.left_out;
    END LOOP;
END
$today$;

GRANT EXECUTE ON FUNCTION integration.record_today(text, text) TO compliance_pipeline;
