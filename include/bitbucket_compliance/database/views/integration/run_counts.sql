-- Purpose: how far each run has got, counted while it is at work: what it listed and read, and the requests that took.

CREATE VIEW integration.run_counts AS
SELECT
    runs.run_id,
    runs.workspace,
    calls.repositories,
    calls.members,
    reads.repositories_read,
    calls.requests
FROM integration.runs AS runs
CROSS JOIN
    LATERAL (
        SELECT
            sum(landed.items) FILTER (WHERE landed.resource = 'repositories') AS repositories,
            sum(landed.items) FILTER (WHERE landed.resource = 'members') AS members,
            coalesce(sum(landed.requests), 0) AS requests
        FROM landing.calls AS landed
        WHERE landed.workspace = runs.workspace AND landed.run_id = runs.run_id
    ) AS calls
CROSS JOIN LATERAL (
    SELECT count(*) AS repositories_read
    FROM landing.repository_reads AS landed
    WHERE landed.workspace = runs.workspace AND landed.run_id = runs.run_id
) AS reads;

COMMENT ON VIEW integration.run_counts IS
'How far each run has got; of an old run, whose calls and readings were cleared away or made anew since, less.';
COMMENT ON COLUMN integration.run_counts.run_id IS 'Run; see compliance.runs.';
COMMENT ON COLUMN integration.run_counts.workspace IS 'Workspace slug.';
COMMENT ON COLUMN integration.run_counts.repositories IS 'Repositories that its listing brought; null: it has not listed them.';
COMMENT ON COLUMN integration.run_counts.members IS 'Members that its listing brought; null: it has not listed them.';
COMMENT ON COLUMN integration.run_counts.repositories_read IS 'Repositories that it has read to the end so far.';
COMMENT ON COLUMN integration.run_counts.requests IS 'Requests whose answers have landed so far.';

GRANT SELECT ON TABLE integration.run_counts TO compliance_pipeline, compliance_console;
