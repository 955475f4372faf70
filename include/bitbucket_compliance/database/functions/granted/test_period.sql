-- Purpose: the state of tests, as compliance.test_period, of days and a workspace that were
-- granted to the login that asks.

CREATE FUNCTION granted.test_period(in_workspace text, first_day date, last_day date)
RETURNS TABLE (
    test_id text, state text, days integer, days_observed integer, days_not_observed integer,
    days_with_failures integer, days_with_undecided integer, most_subjects bigint, findings_opened bigint,
    fixed_in_time bigint, fixed_late bigint, ended_otherwise bigint, open_at_end bigint, overdue_at_end bigint,
    accepted_at_end bigint, changes bigint, changes_against bigint, changes_unknown bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $granted$
#variable_conflict use_column
BEGIN
    PERFORM granted.require(in_workspace, first_day, last_day);
    RETURN QUERY
    SELECT told.* FROM compliance.test_period(in_workspace, first_day, last_day) AS told;
END
$granted$;

GRANT EXECUTE ON FUNCTION granted.test_period(text, date, date) TO compliance_auditor, compliance_limited_reader;
