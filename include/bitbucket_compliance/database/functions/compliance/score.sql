-- Purpose: the share of passing verdicts among decided ones, in percent.

CREATE FUNCTION compliance.score(passing numeric, failing numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(100 * passing / nullif(passing + failing, 0), 1);

COMMENT ON FUNCTION compliance.score(numeric, numeric) IS
'Passing among decided, in percent; null where nothing is decided. Over several tests both are sums weighted by severity_weights. pending and error count for neither side.';

GRANT EXECUTE ON FUNCTION compliance.score(numeric, numeric)
TO compliance_pipeline, compliance_console, compliance_reader;
