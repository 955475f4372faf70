-- Purpose: let compliance_backup read every table and sequence of the owner, as an upgrade leaves them; the vault's are
-- not the owner's.

DO $grants$
DECLARE
    one record;
BEGIN
    GRANT USAGE ON SCHEMA landing, staging, judged, registry, integration, quality, compliance TO compliance_backup;
    FOR one IN
        SELECT relations.oid::regclass AS name, CASE relations.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind
        FROM pg_class AS relations
        WHERE
            relations.relkind IN ('r', 'S')
            AND relations.relowner = 'compliance_owner'::regrole
            AND relations.relnamespace::regnamespace::text
            IN ('landing', 'staging', 'judged', 'registry', 'integration', 'quality', 'compliance')
            AND NOT has_table_privilege('compliance_backup', relations.oid, 'SELECT')
    LOOP
        EXECUTE format('GRANT SELECT ON %s %s TO compliance_backup', one.kind, one.name);
    END LOOP;
END
$grants$;
