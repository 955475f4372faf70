-- Purpose: refuse whoever asks for days of a workspace that were not granted to their login; and the views of schema
-- granted: what is published, of the workspaces and the period that were granted to the login that asks, and nothing
-- else. A login is who logged in, whatever role it stepped into.

CREATE FUNCTION granted.require(in_workspace text, first_day date, last_day date) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $require$
BEGIN
    IF NOT EXISTS (
        SELECT 1
        FROM registry.reading_grants_in_force AS held
        WHERE
            held.login = session_user
            AND held.workspace = in_workspace
            AND coalesce(require.first_day >= held.first_day, held.first_day IS null)
            AND coalesce(require.last_day <= held.last_day, held.last_day IS null)
    ) THEN
        RAISE EXCEPTION 'the days from % to % of workspace % are not granted to %',
            require.first_day, require.last_day, in_workspace, session_user
            USING
                HINT = 'The view granted.workspaces shows what is; the command grant-auditor grants more.',
                ERRCODE = 'insufficient_privilege';
    END IF;
END
$require$;

CREATE VIEW granted.workspaces AS
SELECT
    held.workspace,
    held.first_day,
    held.last_day
FROM registry.reading_grants_in_force AS held
WHERE held.login = session_user;
GRANT SELECT ON granted.workspaces TO compliance_auditor, compliance_limited_reader;

DO $views$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT
            given.relation,
            given.condition,
            given.roles
        FROM (
            VALUES
            -- populations, histories, controls, findings and the list of evidence: within the period
            ('changes', 'rel.merged_on >= held.starts_at AND rel.merged_on < held.ends_at', 'both'),
            ('joiners', 'rel.first_seen_at >= held.starts_at AND rel.first_seen_at < held.ends_at', 'both'),
            (
                'member_history',
                'rel.valid_from < held.ends_at AND coalesce(rel.valid_to > held.starts_at, true)',
                'both'
            ),
            (
                'leavers',
                'coalesce(rel.last_working_day, rel.declared_at::date) <= coalesce(held.last_day, ''infinity'') AND'
                || ' coalesce(rel.found_removed_on, ''infinity'') >= coalesce(held.first_day, ''-infinity'')',
                'auditor'
            ),
            ('population_counts', 'rel.counted_at >= held.starts_at AND rel.counted_at < held.ends_at', 'both'),
            ('evidence_history', 'rel.happened_at >= held.starts_at AND rel.happened_at < held.ends_at', 'both'),
            ('exception_history', 'rel.happened_at >= held.starts_at AND rel.happened_at < held.ends_at', 'both'),
            ('policy_history', 'rel.happened_at >= held.starts_at AND rel.happened_at < held.ends_at', 'both'),
            ('classification_history', 'rel.happened_at >= held.starts_at AND rel.happened_at < held.ends_at', 'both'),
            ('access_review_history', 'rel.happened_at >= held.starts_at AND rel.happened_at < held.ends_at', 'auditor'),
            ('findings', 'rel.found_at < held.ends_at AND coalesce(rel.ended_at >= held.starts_at, true)', 'both'),
            ('evidence', 'rel.submitted_at < held.ends_at AND rel.valid_until >= held.starts_at', 'both'),
            ('exceptions', 'rel.requested_at < held.ends_at AND rel.expires_at >= held.starts_at', 'both'),
            ('runs', 'rel.started_at >= held.starts_at AND rel.started_at < held.ends_at', 'both'),
            ('record_links', 'rel.sealed_at >= held.starts_at AND rel.sealed_at < held.ends_at', 'both'),
            -- of no workspace in particular
            ('policies', null, 'both'),
            ('reason_codes', null, 'both'),
            ('severity_weights', null, 'reader'),
            ('test_controls', null, 'both'),
            ('tests', null, 'both'),
            -- what is now, for readers of single workspaces
            ('control_status', 'true', 'reader'),
            ('current_results', 'true', 'reader'),
            ('daily_trend', 'true', 'reader'),
            ('decided_by', 'true', 'reader'),
            ('exception_subjects', 'true', 'reader'),
            ('members', 'true', 'reader'),
            ('members_to_review', 'true', 'reader'),
            ('open_findings', 'true', 'reader'),
            ('repositories', 'true', 'reader'),
            (
                'repository_history',
                'rel.valid_from < held.ends_at AND coalesce(rel.valid_to > held.starts_at, true)',
                'reader'
            ),
            (
                'result_history',
                'rel.valid_from < held.ends_at AND coalesce(rel.valid_to > held.starts_at, true)',
                'reader'
            ),
            ('result_overview', 'true', 'reader'),
            (
                'stale_periods',
                'rel.stale_from < held.ends_at AND coalesce(rel.stale_to > held.starts_at, true)',
                'reader'
            ),
            ('test_summary', 'true', 'reader'),
            ('undecided', 'true', 'reader'),
            ('workspace_score', 'true', 'reader'),
            ('workspace_tests', 'true', 'reader')
        ) AS given (relation, condition, roles)
    LOOP
        EXECUTE format(
            'CREATE VIEW granted.%1$I WITH (security_barrier) AS SELECT rel.* FROM compliance.%1$I AS rel%2$s',
            one.relation,
            ' WHERE EXISTS (SELECT 1 FROM registry.reading_grants_in_force AS held WHERE held.login = session_user'
            -- evidence and declarations without a workspace, and the chain of what all share, are everybody's
            || ' AND coalesce(rel.workspace IN (held.workspace, ''''), true) AND ' || one.condition || ')'
        );
        IF one.roles <> 'reader' THEN
            EXECUTE format('GRANT SELECT ON granted.%I TO compliance_auditor', one.relation);
        END IF;
        IF one.roles <> 'auditor' THEN
            EXECUTE format('GRANT SELECT ON granted.%I TO compliance_limited_reader', one.relation);
        END IF;
    END LOOP;
END
$views$;
