-- Purpose: delete what the gates noted of a workspace before an instant, 30 days ago or earlier.

CREATE FUNCTION quality.forget_outcomes(of_workspace text, noted_before timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $forget$
BEGIN
    IF noted_before > clock_timestamp() - interval '30 days' THEN
        RAISE EXCEPTION 'what the gates found is kept for 30 days at least' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM quality.expectation_results AS expectations
    WHERE expectations.workspace = of_workspace AND expectations.evaluated_at < noted_before;
    DELETE FROM quality.gate_outcomes AS outcomes
    WHERE outcomes.workspace = of_workspace AND outcomes.evaluated_at < noted_before;
END
$forget$;

GRANT EXECUTE ON FUNCTION quality.forget_outcomes(text, timestamptz) TO compliance_pipeline;
