-- Purpose: the key of a row as text: the values of its key columns as a JSON array.

CREATE FUNCTION integration.row_key(body jsonb, key_columns text[]) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $key$
    SELECT jsonb_agg(body -> keys.name ORDER BY keys.place)::text
    FROM unnest(key_columns) WITH ORDINALITY AS keys (name, place)
$key$;
