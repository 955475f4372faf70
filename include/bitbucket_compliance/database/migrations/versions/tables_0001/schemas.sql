-- Purpose: the schemas of the flow, from landing to the published contract, who may look into which, and what an
-- upgrade keeps.
-- Schema integration is there already (roles.sql): Alembic keeps its own table in it.

CREATE SCHEMA landing;
CREATE SCHEMA staging;
CREATE SCHEMA judging;
CREATE SCHEMA judged;
CREATE SCHEMA registry;
CREATE SCHEMA quality;
CREATE SCHEMA compliance;

COMMENT ON SCHEMA landing IS 'Raw answers of Bitbucket and the outcome of every call; written by extract alone.';
COMMENT ON SCHEMA staging IS 'Typed, current row per object; written by stage alone.';
COMMENT ON SCHEMA judging IS 'What the security tests ask of staging and registry: functions and views, no tables.';
COMMENT ON SCHEMA judged IS 'Verdicts of a run before publication; written by the security tests alone.';
COMMENT ON SCHEMA registry IS 'What people declare: classification, roster, evidence, policy.';
COMMENT ON SCHEMA integration IS 'Runs, their steps and the lease that keeps two runs of a workspace apart.';
COMMENT ON SCHEMA quality IS 'Outcome of each expectation of each run, and the views the gates look at.';
COMMENT ON SCHEMA compliance IS 'The published contract; written by publish alone.';

GRANT USAGE ON SCHEMA landing, staging, judging, judged, registry, integration, quality, compliance
TO compliance_pipeline;
GRANT USAGE ON SCHEMA staging, registry, integration, compliance TO compliance_console;
GRANT USAGE ON SCHEMA integration TO compliance_vault, compliance_receiver;
GRANT USAGE ON SCHEMA compliance TO compliance_reader, compliance_people_reader;

-- What is made from here on is nobody's until it is granted, functions too.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM public;
-- But these schemas are the pipeline's own.
ALTER DEFAULT PRIVILEGES IN SCHEMA landing, staging, judging, quality GRANT SELECT ON TABLES TO compliance_pipeline;
ALTER DEFAULT PRIVILEGES IN SCHEMA judging GRANT EXECUTE ON FUNCTIONS TO compliance_pipeline;

-- The pipeline may see which schema it works on; migrations alone move it.
GRANT SELECT ON TABLE integration.schema_version TO compliance_pipeline;

CREATE TABLE integration.schema_objects (
    digest text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE integration.schema_objects IS
'One row: what the views and functions were made from. An upgrade with the same files leaves them as they are; one that finds no row here makes them anew.';
COMMENT ON COLUMN integration.schema_objects.digest IS 'SHA-256 of their files.';
COMMENT ON COLUMN integration.schema_objects.made_at IS 'When.';
