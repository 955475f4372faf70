-- Purpose: a sample of a population, as compliance.sample, of days and a workspace that were
-- granted to the login that asks.

CREATE FUNCTION granted.sample(
    in_workspace text, in_population text, first_day date, last_day date, in_seed text DEFAULT null,
    frequency text DEFAULT null, items bigint DEFAULT null
)
RETURNS TABLE (
    place bigint, key text, happened_on date, draw_digest text, seed text, population_size bigint, sample_size bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $granted$
#variable_conflict use_column
BEGIN
    PERFORM granted.require(in_workspace, first_day, last_day);
    RETURN QUERY
    SELECT told.* FROM compliance.sample(in_workspace, in_population, first_day, last_day, in_seed, frequency, items) AS told;
END
$granted$;

GRANT EXECUTE ON FUNCTION granted.sample(text, text, date, date, text, text, bigint) TO compliance_auditor;
