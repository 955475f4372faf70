-- Purpose: open findings whose risk nobody accepted, as compliance.findings tells of each: what pages and summaries
-- count, without the rest of it.

CREATE VIEW integration.unaccepted_findings AS
SELECT
    findings.workspace,
    findings.test_id,
    findings.finding_id,
    findings.due_at
FROM compliance.finding_records AS findings
WHERE
    findings.ended_at IS null
    AND NOT EXISTS (
        SELECT 1
        FROM registry.exception_coverage AS coverage
        WHERE
            coverage.workspace = findings.workspace
            AND coverage.test_id = findings.test_id
            AND coverage.subject_id = findings.subject_id
            AND coverage.covers_from >= findings.found_at
            AND coverage.covers_from <= now()
            AND coverage.covers_until >= now()
    );

GRANT SELECT ON TABLE integration.unaccepted_findings TO compliance_pipeline, compliance_console;
