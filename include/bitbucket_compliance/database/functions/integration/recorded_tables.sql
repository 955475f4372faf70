-- Purpose: the tables whose rows the record holds a digest of, their keys, and which of their columns it leaves out:
-- the workspace's slug, which a renaming changes, and what a finding notes for itself from run to run.

CREATE FUNCTION integration.recorded_tables() RETURNS TABLE (relation text, key_columns text[], left_out text[])
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $tables$
    SELECT
        given.relation,
        given.key_columns,
        ARRAY['workspace'] || given.left_out
    FROM (
        VALUES
        ('compliance.changes', ARRAY['repository_id', 'kind', 'change_key'], '{}'::text[]),
        ('compliance.exception_endings', ARRAY['exception_id', 'subject_id'], '{}'),
        ('compliance.finding_records', ARRAY['finding_id'], '{subject_name,failed_basis,missed_by}'),
        ('compliance.leaver_records', ARRAY['leaver_id'], '{}'),
        ('compliance.member_history', ARRAY['member_id', 'valid_from'], '{}'),
        ('compliance.population_counts', ARRAY['run_id', 'population'], '{}'),
        ('compliance.repository_history', ARRAY['repository_id', 'valid_from'], '{}'),
        ('compliance.result_history', ARRAY['test_id', 'subject_id', 'valid_from'], '{}'),
        ('integration.publications', ARRAY['published_at'], '{}'),
        ('registry.access_review_sign_offs', ARRAY['sign_off_id'], '{}'),
        ('registry.access_reviews', ARRAY['review_id'], '{}'),
        ('registry.classification', ARRAY['entry_id'], '{}'),
        ('registry.classification_bindings', ARRAY['entry_id'], '{}'),
        ('registry.evidence', ARRAY['evidence_id'], '{}'),
        ('registry.evidence_decisions', ARRAY['decision_id'], '{}'),
        ('registry.evidence_members', ARRAY['evidence_id', 'line'], '{}'),
        ('registry.evidence_subjects', ARRAY['evidence_id', 'subject_id'], '{}'),
        ('registry.exception_decisions', ARRAY['decision_id'], '{}'),
        ('registry.exception_subjects', ARRAY['exception_id', 'subject_id'], '{}'),
        ('registry.exceptions', ARRAY['exception_id'], '{}'),
        ('registry.finding_assignments', ARRAY['assignment_id'], '{}'),
        ('registry.import_withdrawals', ARRAY['import_id'], '{}'),
        ('registry.imports', ARRAY['import_id'], '{}'),
        ('registry.people', ARRAY['import_id', 'line'], '{}'),
        ('registry.persons', ARRAY['person'], '{}'),
        ('registry.policy_decisions', ARRAY['decision_id'], '{}'),
        ('registry.policy_overrides', ARRAY['override_id'], '{}'),
        ('registry.policy_versions', ARRAY['policy_version'], '{}'),
        ('registry.purge_decisions', ARRAY['decision_id'], '{}'),
        ('registry.purged', ARRAY['purge_id'], '{}'),
        ('registry.purges', ARRAY['purge_id'], '{}'),
        ('registry.reading_grant_endings', ARRAY['grant_id'], '{}'),
        ('registry.reading_grants', ARRAY['grant_id'], '{}'),
        ('registry.refused_rows', ARRAY['import_id', 'line'], '{}'),
        ('registry.roster_mappings', ARRAY['mapping_version'], '{}')
    ) AS given (relation, key_columns, left_out)
$tables$;

GRANT EXECUTE ON FUNCTION integration.recorded_tables() TO compliance_pipeline;
