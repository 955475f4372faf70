-- Purpose: trigger of the tables whose rows are added and never changed.

CREATE FUNCTION integration.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $refuse$
BEGIN
    RAISE EXCEPTION '%.% takes new rows only', tg_table_schema, tg_table_name USING ERRCODE = 'insufficient_privilege';
END
$refuse$;

DO $guard$
DECLARE
    guarded text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY[
        'integration.console_audit',
        'registry.access_review_sign_offs',
        'registry.access_reviews',
        'registry.classification',
        'registry.evidence',
        'registry.evidence_decisions',
        'registry.evidence_members',
        'registry.evidence_subjects',
        'registry.exceptions',
        'registry.exception_decisions',
        'registry.exception_subjects',
        'registry.finding_assignments',
        'registry.import_withdrawals',
        'registry.imports',
        'registry.persons',
        'registry.policy_decisions',
        'registry.policy_overrides',
        'registry.policy_versions',
        'registry.purge_decisions',
        'registry.purged',
        'registry.purges',
        'registry.reading_grant_endings',
        'registry.reading_grants',
        'registry.refused_rows',
        'registry.roster_mappings'
    ] LOOP
        EXECUTE format(
            'CREATE TRIGGER rows_are_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON %s'
            || ' FOR EACH STATEMENT EXECUTE FUNCTION integration.refuse_change()',
            guarded
        );
    END LOOP;
    -- Of these, a purge or retention deletes what is old or was asked for.
    FOREACH guarded IN ARRAY ARRAY[
        'compliance.exception_endings',
        'integration.connection_events',
        'integration.notifications_sent',
        'integration.publications',
        'quality.expectation_results',
        'quality.gate_outcomes',
        'registry.people'
    ] LOOP
        EXECUTE format(
            'CREATE TRIGGER rows_are_never_changed BEFORE UPDATE OR TRUNCATE ON %s'
            || ' FOR EACH STATEMENT EXECUTE FUNCTION integration.refuse_change()',
            guarded
        );
    END LOOP;
END
$guard$;

-- A body that is seen again is the same row.
CREATE TRIGGER bodies_are_never_changed
BEFORE UPDATE OF workspace, resource, object_key, repository_id, body_hash, body, first_fetched_at ON landing.objects
FOR EACH STATEMENT EXECUTE FUNCTION integration.refuse_change();

-- Of these, retention deletes what is old, and nobody anything else.
CREATE TRIGGER what_happened_is_kept BEFORE DELETE ON integration.connection_events FOR EACH ROW
WHEN (old.event NOT IN ('refresh_started', 'refreshed') OR old.at > clock_timestamp() - interval '30 days')
EXECUTE FUNCTION integration.refuse_change();

CREATE TRIGGER what_was_told_is_kept BEFORE DELETE ON integration.notifications_sent FOR EACH ROW
WHEN (old.noted_at > clock_timestamp() - interval '400 days')
EXECUTE FUNCTION integration.refuse_change();
