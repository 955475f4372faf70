-- Purpose: the newest link of each chain of the record: a digest that was noted down elsewhere shows that nobody
-- rewrote what stood before it.

CREATE VIEW compliance.record_heads AS
SELECT
    newest.workspace,
    newest.link,
    newest.sealed_at,
    newest.run_id,
    encode(newest.digest, 'hex') AS digest
FROM (
    SELECT DISTINCT ON (links.workspace) links.*
    FROM integration.record_links AS links
    ORDER BY links.workspace ASC, links.link DESC
) AS newest;
COMMENT ON COLUMN compliance.record_heads.workspace IS
'Workspace slug; empty: the chain of what belongs to none, such as rosters and policies.';
COMMENT ON COLUMN compliance.record_heads.link IS 'Its place in the chain, from 1.';
COMMENT ON COLUMN compliance.record_heads.sealed_at IS 'When it was sealed.';
COMMENT ON COLUMN compliance.record_heads.run_id IS 'The run whose publication did; null: a decision between two runs.';
COMMENT ON COLUMN compliance.record_heads.digest IS
'SHA-256 of the link, hex: over the one before and everything that was recorded since.';

GRANT SELECT ON compliance.record_heads TO compliance_pipeline, compliance_console, compliance_reader;
