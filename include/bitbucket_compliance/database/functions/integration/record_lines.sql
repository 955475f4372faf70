-- Purpose: what the record of a workspace holds (empty: of what belongs to none), for whoever works its links out
-- again: each row that was noted, in the order in which links seal them; those that no link seals yet come last.

CREATE FUNCTION integration.record_lines(of_workspace text)
RETURNS TABLE (link bigint, row_number bigint, relation text, key_sha256 text, digest text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $lines$
    SELECT
        batches.link,
        noted.row_number,
        noted.relation,
        encode(sha256(convert_to(noted.row_key, 'UTF8')), 'hex'),
        coalesce(encode(noted.digest, 'hex'), 'purged')
    FROM integration.record_rows AS noted
    INNER JOIN integration.record_batches AS batches
        ON noted.batch = batches.batch AND noted.workspace = batches.workspace
    WHERE noted.workspace = of_workspace
    ORDER BY batches.link NULLS LAST, noted.row_number
$lines$;

GRANT EXECUTE ON FUNCTION integration.record_lines(text) TO compliance_pipeline;
