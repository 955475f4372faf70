-- Purpose: how whole populations are, as compliance.completeness, of days and a workspace that were
-- granted to the login that asks.

CREATE FUNCTION granted.completeness(in_workspace text, first_day date, last_day date)
RETURNS TABLE (
    day date, population text, is_whole boolean, not_whole_because text[], run_id text, counted_at timestamptz,
    said integer, read integer, in_table integer, shown_whole_by text, differences jsonb, unexplained integer,
    reaches_back_to timestamptz, scopes_granted text[], identity_role text, subjects_in_error bigint,
    subjects_without_permission bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $granted$
#variable_conflict use_column
BEGIN
    PERFORM granted.require(in_workspace, first_day, last_day);
    RETURN QUERY
    SELECT told.* FROM compliance.completeness(in_workspace, first_day, last_day) AS told;
END
$granted$;

GRANT EXECUTE ON FUNCTION granted.completeness(text, date, date) TO compliance_auditor, compliance_limited_reader;
