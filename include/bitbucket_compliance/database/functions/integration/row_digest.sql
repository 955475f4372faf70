-- Purpose: the digest of a row: SHA-256 of its JSON in UTF-8, without the columns that the record leaves out. Anybody
-- can work it out again from the row: keys in Postgres's order of jsonb, times in UTC.

CREATE FUNCTION integration.row_digest(body jsonb, left_out text[]) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $digest$
    SELECT sha256(convert_to((body - left_out)::text, 'UTF8'))
$digest$;

GRANT EXECUTE ON FUNCTION integration.row_digest(jsonb, text[]) TO compliance_pipeline;
