-- Purpose: what is published past its freshness, or will be, and no run has come by to note yet.

CREATE VIEW integration.unnoted_stale_periods AS
SELECT
    results.workspace,
    results.test_id,
    results.subject_id,
    results.fresh_until + interval '1 microsecond' AS stale_from,
    results.workspace_id
FROM compliance.results AS results
LEFT JOIN compliance.stale_records AS noted
    ON
        results.workspace = noted.workspace
        AND results.test_id = noted.test_id
        AND results.subject_id = noted.subject_id
        AND noted.stale_to IS null
WHERE noted.stale_from IS null AND results.fresh_until IS NOT null;

GRANT SELECT ON TABLE integration.unnoted_stale_periods TO compliance_pipeline;
