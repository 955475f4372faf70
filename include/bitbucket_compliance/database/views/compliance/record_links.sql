-- Purpose: the chain of digests of each workspace: one that was noted down elsewhere shows that nobody rewrote what
-- stood before it.

CREATE VIEW compliance.record_links AS
SELECT
    links.workspace,
    links.link,
    links.sealed_at,
    links.run_id,
    links.row_count,
    encode(links.digest, 'hex') AS digest
FROM integration.record_links AS links;
COMMENT ON COLUMN compliance.record_links.workspace IS
'Workspace slug; empty: the chain of what belongs to none, such as rosters, evidence and policies.';
COMMENT ON COLUMN compliance.record_links.link IS 'Its place in the chain, from 1.';
COMMENT ON COLUMN compliance.record_links.sealed_at IS 'When it was sealed.';
COMMENT ON COLUMN compliance.record_links.run_id IS 'The run whose publication did; null: a decision between two runs.';
COMMENT ON COLUMN compliance.record_links.row_count IS
'How many rows were written or changed since the link before: verdicts, findings, changes, evidence, decisions, policies.';
COMMENT ON COLUMN compliance.record_links.digest IS
'SHA-256 of the link, hex: over the one before and everything that was recorded since.';

GRANT SELECT ON compliance.record_links TO compliance_pipeline, compliance_console, compliance_reader;
