-- Purpose: create the database roles of the published contract, let the migrating login act as their owner, and let it
-- step into the roles that work is done in: in a small set-up it runs the pipeline too.
-- Run by every upgrade; what is there already is left as it is. A login that may not create roles can have an
-- administrator run this file once.

DO $roles$
DECLARE
    role_names CONSTANT text[] := ARRAY[
        'compliance_owner',
        'compliance_vault',
        'compliance_pipeline',
        'compliance_console',
        'compliance_receiver',
        'compliance_reader',
        'compliance_people_reader',
        'compliance_limited_reader',
        'compliance_auditor',
        'compliance_backup'
    ];
    role_name text;
    wanted text;
BEGIN
    FOREACH role_name IN ARRAY role_names LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
    END LOOP;

    IF NOT pg_has_role(current_user, 'compliance_owner', 'USAGE') THEN
        EXECUTE format('GRANT compliance_owner TO %I', current_user);
    END IF;
    -- Not inherited: a session has the rights of one of these roles when it steps into it, and no others.
    FOREACH role_name IN ARRAY ARRAY[
        'compliance_vault', 'compliance_receiver', 'compliance_pipeline', 'compliance_console', 'compliance_backup'
    ] LOOP
        IF current_setting('server_version_num')::integer < 160000 THEN
            -- Whether a membership is inherited is the login's own property there.
            IF NOT pg_has_role(current_user, role_name, 'MEMBER') THEN
                EXECUTE format('GRANT %I TO %I', role_name, current_user);
            END IF;
        ELSIF NOT pg_has_role(current_user, role_name, 'SET') THEN
            EXECUTE format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE', role_name, current_user);
        END IF;
    END LOOP;
    IF NOT has_database_privilege('compliance_owner', current_database(), 'CREATE') THEN
        EXECUTE format('GRANT CREATE ON DATABASE %I TO compliance_owner', current_database());
    END IF;

    -- Names of a session's own come before all others in a search path that doesn't say otherwise, so only who needs
    -- temporary tables may make them: the pipeline copies what it fetched into tables of its session.
    IF pg_has_role(
        current_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE'
    ) THEN
        IF EXISTS (
            SELECT 1
            FROM pg_database AS databases
            CROSS JOIN aclexplode(coalesce(databases.datacl, acldefault('d', databases.datdba))) AS granted
            WHERE
                databases.datname = current_database()
                AND granted.grantee = 0
                AND granted.privilege_type = 'TEMPORARY'
        ) THEN
            EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
        END IF;
        FOREACH role_name IN ARRAY role_names LOOP
            FOREACH wanted IN ARRAY CASE role_name
                WHEN 'compliance_pipeline' THEN ARRAY['CONNECT', 'TEMPORARY'] ELSE ARRAY['CONNECT']
            END LOOP
                IF NOT EXISTS (
                    SELECT 1
                    FROM pg_database AS databases
                    CROSS JOIN aclexplode(databases.datacl) AS granted
                    WHERE
                        databases.datname = current_database()
                        AND granted.grantee = role_name::regrole
                        AND granted.privilege_type = wanted
                ) THEN
                    EXECUTE format('GRANT %s ON DATABASE %I TO %I', wanted, current_database(), role_name);
                END IF;
            END LOOP;
        END LOOP;
    END IF;

    -- Where an administrator took advisory locks from everybody (server/everybody.sql), who works has them by name.
    FOR wanted IN
        SELECT functions.oid::regprocedure::text
        FROM pg_proc AS functions
        WHERE
            functions.pronamespace = 'pg_catalog'::regnamespace
            AND functions.proname ~ '^pg_(try_)?advisory_(xact_)?lock'
            AND has_function_privilege(current_user, functions.oid, 'EXECUTE WITH GRANT OPTION')
    LOOP
        FOREACH role_name IN ARRAY ARRAY[
            'compliance_owner', 'compliance_vault', 'compliance_pipeline', 'compliance_console'
        ] LOOP
            IF NOT has_function_privilege(role_name, wanted, 'EXECUTE') THEN
                EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', wanted, role_name);
            END IF;
        END LOOP;
    END LOOP;

    IF to_regnamespace('integration') IS null THEN
        CREATE SCHEMA integration AUTHORIZATION compliance_owner;
    END IF;
END
$roles$;
