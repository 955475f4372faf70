-- Purpose: work the record of a workspace out again (empty: of what belongs to none) and tell what does not fit: links
-- whose digest is another one, rows that are not as they were recorded, and counts that are not what history says. No
-- row: all fits. In the order of the record, the first that does not fit first.

CREATE FUNCTION integration.verify_record(of_workspace text)
RETURNS TABLE (relation text, row_key text, link bigint, sealed_at timestamptz, problem text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $verify$
DECLARE
    recorded record;
BEGIN
    RETURN QUERY
    SELECT
        'integration.record_links',
        jsonb_build_array(checked.link)::text,
        checked.link,
        checked.sealed_at,
        CASE
            WHEN checked.link <> checked.place THEN 'a link before it is missing'
            WHEN checked.row_count <> checked.found THEN
                format('it sealed %s rows of the record, of which %s are there', checked.row_count, checked.found)
            ELSE 'what it sealed, or the link before it, is not what it was'
        END
    FROM (
        SELECT
            links.link,
            links.sealed_at,
            links.row_count,
            links.digest,
            lag(links.digest) OVER in_order AS before,
            row_number() OVER in_order AS place,
            (
                SELECT count(*)
                FROM integration.record_rows AS noted
                INNER JOIN integration.record_batches AS batches ON noted.batch = batches.batch
                WHERE
                    noted.workspace = of_workspace
                    AND batches.workspace = of_workspace
                    AND batches.link = links.link
            ) AS found
        FROM integration.record_links AS links
        WHERE links.workspace = of_workspace
        WINDOW in_order AS (ORDER BY links.link)
    ) AS checked
    WHERE
        checked.link <> checked.place
        OR checked.row_count <> checked.found
        OR checked.digest
        <> integration.link_digest(of_workspace, checked.link, checked.sealed_at, checked.before)
    ORDER BY checked.link;

    RETURN QUERY
    SELECT noted.relation, noted.row_key, batches.link, null::timestamptz, 'it names a link that is not in the chain'
    FROM integration.record_rows AS noted
    LEFT JOIN integration.record_batches AS batches
        ON noted.batch = batches.batch AND noted.workspace = batches.workspace
    WHERE
        noted.workspace = of_workspace
        AND (
            batches.batch IS null
            OR (
                batches.link IS NOT null
                AND batches.link NOT IN (
                    SELECT links.link FROM integration.record_links AS links WHERE links.workspace = of_workspace
                )
            )
        )
    ORDER BY noted.row_number;

    FOR recorded IN SELECT * FROM integration.recorded_tables() LOOP
        RETURN QUERY EXECUTE format(
            $compare$
            WITH newest AS (
                SELECT DISTINCT ON (noted.row_key) noted.row_key, noted.digest, batches.link
                FROM integration.record_rows AS noted
                LEFT JOIN integration.record_batches AS batches
                    ON noted.batch = batches.batch AND noted.workspace = batches.workspace
                WHERE noted.workspace = $1 AND noted.relation = $2
                ORDER BY noted.row_key, noted.row_number DESC
            ),

            today AS (
                SELECT integration.row_key(bodies.body, $3) AS row_key, integration.row_digest(bodies.body, $4) AS digest
                FROM (SELECT to_jsonb(one) AS body FROM %s AS one) AS bodies
                WHERE coalesce(bodies.body ->> 'workspace', '') = $1
            )

            SELECT
                $2,
                coalesce(newest.row_key, today.row_key),
                newest.link,
                links.sealed_at,
                CASE
                    WHEN newest.row_key IS null OR newest.digest IS null AND today.digest IS NOT null
                        THEN 'it is there and was never recorded'
                    WHEN today.row_key IS null THEN 'it was recorded and is gone'
                    ELSE 'it is not as it was recorded'
                END
            FROM newest
            FULL JOIN today ON newest.row_key = today.row_key
            LEFT JOIN integration.record_links AS links ON links.workspace = $1 AND newest.link = links.link
            WHERE newest.digest IS DISTINCT FROM today.digest
            ORDER BY newest.link, 2
            $compare$,
            recorded.relation
        ) USING of_workspace, recorded.relation, recorded.key_columns, recorded.left_out;
    END LOOP;

    -- What the trend and the answer for a period count by is no recorded table: it is worked out from one.
    RETURN QUERY
    SELECT
        'integration.history_moves',
        jsonb_build_array(told.day, told.test_id, told.severity, told.status, told.bypassed)::text,
        null::bigint,
        null::timestamptz,
        format(
            'its counts of results, and of stale ones, differ by %s and %s from what history says',
            sum(told.subjects), sum(told.stale)
        )
    FROM integration.counted_moves(of_workspace) AS told
    GROUP BY told.day, told.test_id, told.severity, told.status, told.bypassed
    HAVING sum(told.subjects) <> 0 OR sum(told.stale) <> 0
    ORDER BY told.day, 2;
END
$verify$;

GRANT EXECUTE ON FUNCTION integration.verify_record(text) TO compliance_pipeline, compliance_console;
