-- Purpose: the rows of a population, as compliance.population, of days and a workspace that were
-- granted to the login that asks.

CREATE FUNCTION granted.population(in_workspace text, in_population text, first_day date, last_day date)
RETURNS TABLE (key text, happened_on date)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $granted$
#variable_conflict use_column
BEGIN
    PERFORM granted.require(in_workspace, first_day, last_day);
    RETURN QUERY
    SELECT told.* FROM compliance.population(in_workspace, in_population, first_day, last_day) AS told;
END
$granted$;

GRANT EXECUTE ON FUNCTION granted.population(text, text, date, date) TO compliance_auditor;
