-- Purpose: create the database roles of the published contract and let the migrating login act as their owner.
-- Idempotent. Run by `upgrade`; a login that may not create roles can have an administrator run this file once.

DO $roles$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY[
        'compliance_owner',
        'compliance_pipeline',
        'compliance_console',
        'compliance_reader',
        'compliance_people_reader'
    ] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
    END LOOP;

    IF NOT pg_has_role(current_user, 'compliance_owner', 'USAGE') THEN
        EXECUTE format('GRANT compliance_owner TO %I', current_user);
    END IF;
    IF NOT has_database_privilege('compliance_owner', current_database(), 'CREATE') THEN
        EXECUTE format('GRANT CREATE ON DATABASE %I TO compliance_owner', current_database());
    END IF;
END
$roles$;

CREATE SCHEMA IF NOT EXISTS integration AUTHORIZATION compliance_owner;
