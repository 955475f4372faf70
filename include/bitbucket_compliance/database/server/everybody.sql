-- Purpose: take from every login of this database what Postgres lets all do beside reading: hold advisory locks, which
-- the pipeline's steps wait for, and make large objects, which no limit of space knows. Functions of the server are a
-- superuser's: Compose and the embedded server run this file when they make the database, elsewhere an administrator
-- runs it once, in the database of the results. Who works for the pipeline keeps the locks; see roles.sql.

DO $everybody$
DECLARE
    taken record;
    role_name text;
BEGIN
    FOR taken IN
        SELECT
            functions.oid::regprocedure AS name,
            functions.proname !~ '^lo_' AS is_lock
        FROM pg_proc AS functions
        WHERE
            functions.pronamespace = 'pg_catalog'::regnamespace
            AND (
                functions.proname ~ '^pg_(try_)?advisory_(xact_)?lock'
                OR functions.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea')
            )
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', taken.name);
        CONTINUE WHEN NOT taken.is_lock;
        FOR role_name IN
            SELECT roles.rolname
            FROM pg_roles AS roles
            WHERE
                roles.rolname = 'compliance_owner'
                OR roles.oid = (SELECT datdba FROM pg_database WHERE datname = current_database())
        LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I WITH GRANT OPTION', taken.name, role_name);
        END LOOP;
        FOR role_name IN
            SELECT roles.rolname
            FROM pg_roles AS roles
            WHERE roles.rolname IN ('compliance_vault', 'compliance_pipeline', 'compliance_console')
        LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', taken.name, role_name);
        END LOOP;
    END LOOP;
END
$everybody$;
