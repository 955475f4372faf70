-- Purpose: seal what was noted of a workspace since its newest link, and of what belongs to none, into a link of each
-- chain; the last thing before a transaction commits, since it holds up others that seal.

CREATE FUNCTION integration.seal_record(of_workspace text, of_run text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $seal$
DECLARE
    chain text;
    newest integration.record_links;
    next_link bigint;
    rows_sealed bigint;
    at timestamptz;
BEGIN
    FOREACH chain IN ARRAY ARRAY[of_workspace, ''] LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended('record of ' || chain, 0));
        SELECT links.* INTO newest
        FROM integration.record_links AS links
        WHERE links.workspace = chain
        ORDER BY links.link DESC
        LIMIT 1;
        next_link := coalesce(newest.link, 0) + 1;
        UPDATE integration.record_batches AS batches SET link = next_link
        WHERE batches.workspace = chain AND batches.link IS null;
        SELECT count(*) INTO rows_sealed
        FROM integration.record_rows AS noted
        INNER JOIN integration.record_batches AS batches ON noted.batch = batches.batch
        WHERE noted.workspace = chain AND batches.workspace = chain AND batches.link = next_link;
        CONTINUE WHEN rows_sealed = 0;
        at := clock_timestamp();
        INSERT INTO integration.record_links (workspace, link, run_id, sealed_at, row_count, digest)
        VALUES (
            chain, next_link, of_run, at, rows_sealed,
            integration.link_digest(chain, next_link, at, newest.digest)
        );
    END LOOP;
END
$seal$;

GRANT EXECUTE ON FUNCTION integration.seal_record(text, text) TO compliance_pipeline, compliance_console;
