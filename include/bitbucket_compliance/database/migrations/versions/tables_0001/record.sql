-- Purpose: the record that shows tampering: a digest of every row that a verdict, a finding, a decision or a population
-- rests on, sealed into a chain by each publication. Written by functions alone: no role holds rights on these tables.

CREATE TABLE integration.record_batches (
    batch bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace text NOT NULL,
    link bigint
);
CREATE INDEX record_batches_by_link ON integration.record_batches (workspace, link);
COMMENT ON TABLE integration.record_batches IS
'What one transaction wrote of one workspace: sealed as a whole, so that sealing touches no row of the record.';
COMMENT ON COLUMN integration.record_batches.batch IS 'Its number.';
COMMENT ON COLUMN integration.record_batches.workspace IS
'Workspace slug; empty: what belongs to none, such as a roster or a policy.';
COMMENT ON COLUMN integration.record_batches.link IS 'Link of the workspace''s chain that seals it; null: the next one will.';

-- No index by key: only whoever verifies looks for keys, and for all of them.
CREATE TABLE integration.record_rows (
    row_number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace text NOT NULL,
    batch bigint NOT NULL,
    relation text NOT NULL,
    row_key text NOT NULL,
    digest bytea,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX record_rows_by_batch ON integration.record_rows (workspace, batch);
COMMENT ON TABLE integration.record_rows IS
'A digest of each recorded row as it was written, and again as it was changed: what a row says today must have the newest one.';
COMMENT ON COLUMN integration.record_rows.row_number IS 'Order in which they were noted.';
COMMENT ON COLUMN integration.record_rows.workspace IS 'As record_batches.workspace.';
COMMENT ON COLUMN integration.record_rows.batch IS 'The batch that it belongs to.';
COMMENT ON COLUMN integration.record_rows.relation IS 'Table, with its schema.';
COMMENT ON COLUMN integration.record_rows.row_key IS 'Values of its primary key without the workspace, as a JSON array.';
COMMENT ON COLUMN integration.record_rows.digest IS
'SHA-256 of the row; see integration.row_digest. Null: it was deleted by a purge that two persons decided.';
COMMENT ON COLUMN integration.record_rows.noted_at IS 'When, by the server''s clock.';

CREATE TABLE integration.record_links (
    workspace text NOT NULL,
    link bigint NOT NULL CHECK (link > 0),
    run_id text,
    sealed_at timestamptz NOT NULL,
    row_count bigint NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (workspace, link)
);
COMMENT ON TABLE integration.record_links IS
'The chain of each workspace: a link seals the rows that were noted since the one before, and that one itself.';
COMMENT ON COLUMN integration.record_links.workspace IS 'Workspace slug; empty: the chain of what belongs to none.';
COMMENT ON COLUMN integration.record_links.link IS 'Its place in the chain, from 1.';
COMMENT ON COLUMN integration.record_links.run_id IS 'The run whose publication sealed it; null: a decision between two runs did.';
COMMENT ON COLUMN integration.record_links.sealed_at IS 'When, by the server''s clock.';
COMMENT ON COLUMN integration.record_links.row_count IS 'Rows that it seals.';
COMMENT ON COLUMN integration.record_links.digest IS 'SHA-256 over the digest of the link before and the rows; see integration.link_digest.';
