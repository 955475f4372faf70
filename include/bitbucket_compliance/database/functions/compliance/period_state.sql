-- Purpose: what days of observation say of a test or a control, in auditors' words.

CREATE FUNCTION compliance.period_state(
    days integer, days_observed integer, days_with_failures integer, days_with_undecided integer,
    something_passed boolean, changes_without_proof bigint
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN coalesce(days_observed, 0) = 0 THEN 'not observed'
    WHEN something_passed IS NOT true THEN 'did not operate'
    WHEN
        days_observed = days
        AND days_with_failures = 0
        AND days_with_undecided = 0
        AND coalesce(changes_without_proof, 0) = 0
        THEN 'operated'
    ELSE 'operated with exceptions'
END;

COMMENT ON FUNCTION compliance.period_state(integer, integer, integer, integer, boolean, bigint) IS
'operated: observed on every day, every subject and every change decided, nothing failed; did not operate: nothing passed on any observed day; not observed: on no day; operated with exceptions: anything else. A change of which nobody knows is no proof.';

GRANT EXECUTE ON FUNCTION compliance.period_state(integer, integer, integer, integer, boolean, bigint)
TO compliance_pipeline, compliance_console, compliance_reader;
