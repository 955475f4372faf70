-- Purpose: the share of passing verdicts among decided ones, in percent.

CREATE FUNCTION compliance.score(passing numeric, failing numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(
    100 * coalesce(passing, 0) / nullif(coalesce(passing, 0) + coalesce(failing, 0), 0), 1
);

COMMENT ON FUNCTION compliance.score(numeric, numeric) IS
'Passing among decided, in percent; null where nothing is decided; a null counts as none. Over several tests both are sums weighted by severity_weights. pending and error count for neither side.';

GRANT EXECUTE ON FUNCTION compliance.score(numeric, numeric)
TO compliance_pipeline, compliance_console, compliance_reader;
