-- Purpose: what a gate of a run looks at, as text that is another one as soon as something is staged or judged anew.

CREATE FUNCTION quality.gate_state(of_workspace text, of_run text, of_gate text) RETURNS text
LANGUAGE sql STABLE
AS $state$
    SELECT
        'staged ' || coalesce(runs.staged_at::text, 'never')
        || CASE of_gate
            WHEN 'results' THEN coalesce((
                SELECT string_agg(', ' || tests.test_id || ' ' || tests.judged_at::text, '' ORDER BY tests.test_id)
                FROM judged.enabled_tests AS tests
                WHERE tests.workspace = of_workspace AND tests.run_id = of_run
            ), '')
            ELSE ''
        END
    FROM integration.runs AS runs
    WHERE runs.workspace = of_workspace AND runs.run_id = of_run
$state$;

GRANT EXECUTE ON FUNCTION quality.gate_state(text, text, text) TO compliance_pipeline;
