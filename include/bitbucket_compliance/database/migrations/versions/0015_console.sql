-- Purpose: what the console keeps: its audit trail and the consents under way; and what its role may see of runs.

-- ---------------------------------------------------------------- audit trail

CREATE TABLE integration.console_audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL CHECK (actor <> ''),
    action text NOT NULL CHECK (action <> ''),
    subject text NOT NULL,
    before jsonb,
    after jsonb
);
CREATE INDEX console_audit_by_subject ON integration.console_audit (subject, audit_id DESC);
CREATE INDEX console_audit_by_actor ON integration.console_audit (actor, audit_id DESC);
COMMENT ON TABLE integration.console_audit IS
'Who did what in the console, and what it was before and after; rows are added, never changed.';
COMMENT ON COLUMN integration.console_audit.audit_id IS 'Order of the entries.';
COMMENT ON COLUMN integration.console_audit.at IS 'When.';
COMMENT ON COLUMN integration.console_audit.actor IS 'Airflow login of the person.';
COMMENT ON COLUMN integration.console_audit.action IS 'What was done, as object.verb: connection.connected, evidence.accepted.';
COMMENT ON COLUMN integration.console_audit.subject IS 'To what: an id or a name, as the pages show it.';
COMMENT ON COLUMN integration.console_audit.before IS 'What held before, as far as the action concerns it; null: nothing did. Never a secret.';
COMMENT ON COLUMN integration.console_audit.after IS 'What holds since; null: nothing does. Never a secret.';

CREATE TRIGGER rows_are_never_changed
BEFORE UPDATE OR DELETE OR TRUNCATE ON integration.console_audit
FOR EACH STATEMENT EXECUTE FUNCTION integration.refuse_change();

GRANT SELECT, INSERT ON TABLE integration.console_audit TO compliance_console;

-- --------------------------------------------------------- consents under way

CREATE TABLE integration.oauth_states (
    state_hash text PRIMARY KEY,
    conn_id text NOT NULL,
    login text NOT NULL,
    redirect_uri text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    used_at timestamptz
);
COMMENT ON TABLE integration.oauth_states IS
'People who were sent to Bitbucket to consent; each state is taken once, within ten minutes, by the login it was made for.';
COMMENT ON COLUMN integration.oauth_states.state_hash IS 'SHA-256 of the state, hex; the state itself is kept nowhere.';
COMMENT ON COLUMN integration.oauth_states.conn_id IS 'Airflow''s connection id.';
COMMENT ON COLUMN integration.oauth_states.login IS 'Airflow login that it is bound to.';
COMMENT ON COLUMN integration.oauth_states.redirect_uri IS 'Where Bitbucket was asked to send the person back to.';
COMMENT ON COLUMN integration.oauth_states.created_at IS 'When; it counts for ten minutes.';
COMMENT ON COLUMN integration.oauth_states.used_at IS 'When it came back; null: not yet. It is good for nothing after that.';

GRANT SELECT, INSERT, DELETE ON TABLE integration.oauth_states TO compliance_console;
GRANT UPDATE (used_at) ON TABLE integration.oauth_states TO compliance_console;

-- ------------------------------------------------------------ progress of runs

GRANT SELECT ON TABLE integration.run_steps, integration.workspace_leases TO compliance_console;

-- ---------------------------------------------------------------------- purge

CREATE FUNCTION integration.purgeable_tables() RETURNS SETOF regclass
LANGUAGE sql STABLE SET search_path = pg_catalog
AS $tables$
    SELECT relations.oid::regclass
    FROM pg_class AS relations
    INNER JOIN pg_namespace AS schemas ON relations.relnamespace = schemas.oid
    INNER JOIN pg_attribute AS columns ON relations.oid = columns.attrelid AND columns.attname = 'workspace'
    WHERE
        relations.relkind = 'r'
        AND (
            schemas.nspname IN ('landing', 'staging', 'judged', 'quality', 'compliance')
            OR (schemas.nspname = 'integration' AND relations.relname IN ('runs', 'run_steps'))
        )
    ORDER BY schemas.nspname, relations.relname
$tables$;
COMMENT ON FUNCTION integration.purgeable_tables() IS
'Where a workspace''s data stands that was read of Bitbucket or judged by it; nothing that people declared, no audit trail.';

CREATE FUNCTION integration.purgeable(of_workspace text) RETURNS TABLE (schema_name text, entries bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog
AS $purgeable$
DECLARE
    one regclass;
    counted bigint;
BEGIN
    FOR one IN SELECT integration.purgeable_tables() LOOP
        EXECUTE format('SELECT count(*) FROM %s WHERE workspace = $1', one) INTO counted USING of_workspace;
        schema_name := (
            SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = one
        );
        entries := counted;
        RETURN NEXT;
    END LOOP;
END
$purgeable$;
COMMENT ON FUNCTION integration.purgeable(text) IS 'Rows that a purge of a workspace would delete, by table; the schema of each.';

CREATE FUNCTION integration.purge(of_workspace text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $purge$
DECLARE
    one regclass;
    deleted bigint;
    total bigint := 0;
BEGIN
    IF EXISTS (SELECT 1 FROM integration.workspace_leases AS leases WHERE leases.workspace = of_workspace) THEN
        RAISE EXCEPTION 'a run of workspace % is at work', of_workspace USING ERRCODE = 'object_in_use';
    END IF;
    FOR one IN SELECT integration.purgeable_tables() LOOP
        EXECUTE format('DELETE FROM %s WHERE workspace = $1', one) USING of_workspace;
        GET DIAGNOSTICS deleted = ROW_COUNT;
        total := total + deleted;
    END LOOP;
    RETURN total;
END
$purge$;
COMMENT ON FUNCTION integration.purge(text) IS
'Deletes what was read of a workspace and judged by it, history included; how many rows. Refused while a run is at work.';

REVOKE EXECUTE ON FUNCTION integration.purgeable_tables() FROM public;
REVOKE EXECUTE ON FUNCTION integration.purgeable(text) FROM public;
REVOKE EXECUTE ON FUNCTION integration.purge(text) FROM public;
GRANT EXECUTE ON FUNCTION integration.purgeable(text) TO compliance_console;
GRANT EXECUTE ON FUNCTION integration.purge(text) TO compliance_console;
