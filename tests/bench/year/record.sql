-- Purpose: the record of everything that the year brought, a batch a run in each chain, as if one link had sealed it.

TRUNCATE integration.record_rows, integration.record_batches, integration.record_links;

INSERT INTO integration.record_batches (workspace)
SELECT chains.workspace
FROM (VALUES (%(workspace)s), ('')) AS chains (workspace)
CROSS JOIN generate_series(1, %(runs)s);

INSERT INTO integration.record_rows (workspace, batch, relation, row_key, digest)
SELECT
    chains.workspace,
    chains.batches[1 + bench.dice(today.row_key) %% %(runs)s],
    recorded.relation,
    today.row_key,
    decode(today.digest, 'hex')
FROM (
    SELECT
        batches.workspace,
        array_agg(batches.batch) AS batches
    FROM integration.record_batches AS batches
    GROUP BY batches.workspace
) AS chains
CROSS JOIN integration.recorded_tables() AS recorded
CROSS JOIN LATERAL integration.record_today(chains.workspace, recorded.relation) AS today;

SELECT integration.seal_record(%(workspace)s, 'run');
