-- Purpose: the record of everything that the year brought, as if one link had sealed it.

TRUNCATE integration.record_rows, integration.record_batches, integration.record_links;

INSERT INTO integration.record_rows (workspace, batch, relation, row_key, digest)
SELECT
    batches.workspace,
    batches.batch,
    recorded.relation,
    today.row_key,
    decode(today.digest, 'hex')
FROM (
    SELECT
        chains.workspace,
        integration.record_batch(chains.workspace) AS batch
    FROM (VALUES (%(workspace)s), ('')) AS chains (workspace)
) AS batches
CROSS JOIN integration.recorded_tables() AS recorded
CROSS JOIN LATERAL integration.record_today(batches.workspace, recorded.relation) AS today;

SELECT integration.seal_record(%(workspace)s, 'run');
