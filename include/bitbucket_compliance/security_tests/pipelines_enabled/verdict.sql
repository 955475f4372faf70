-- Purpose: pipelines_enabled: is Bitbucket Pipelines switched on?
-- Never configured is a 404 while another call on the repository succeeds.

WITH asked AS (
    SELECT
        repositories.*,
        evidence.evidence_id,
        evidence.captured_on,
        coalesce(before.failed, false) AS failed_before,
        configs.enabled,
        latest.created_on AS last_run_at,
        CASE
            WHEN repositories.pipelines_config = 'not_found' AND repositories.another_call_succeeded
                THEN 'never_configured'
            WHEN repositories.pipelines_config IN ('scope_missing', 'permission_missing')
                THEN repositories.pipelines_config
            WHEN repositories.pipelines_config = 'ok' AND configs.enabled IS NOT null THEN 'ok'
            ELSE 'failed'
        END AS configuration,
        CASE
            WHEN repositories.pipelines IN ('ok', 'scope_missing', 'permission_missing') THEN repositories.pipelines
            ELSE 'failed'
        END AS runs_read
    FROM judging.repositories(%(workspace)s, %(subjects)s, %(oldest_reading)s) AS repositories
    LEFT JOIN staging.pipelines_configs AS configs
        ON configs.workspace = %(workspace)s AND repositories.subject_id = configs.repository_id
    LEFT JOIN staging.latest_pipelines AS latest
        ON latest.workspace = %(workspace)s AND repositories.subject_id = latest.repository_id
    LEFT JOIN judging.last_readings(%(workspace)s, 'pipelines_enabled') AS before
        ON repositories.subject_id = before.subject_id
    LEFT JOIN
        judging.evidence(%(workspace)s, 'pipelines_enabled', %(today)s, %(evidence_validity_days)s) AS evidence
        ON
            repositories.subject_id = evidence.repository_id
            AND NOT evidence.about_project
            AND judging.evidence_counts(evidence.captured_on, before.last_failed_at, %(time_zone)s)
),

-- The order of the rules: design, section 5.
decided AS MATERIALIZED (
    SELECT
        *,
        CASE
            WHEN classification = 'non_production' THEN 'non_production'
            WHEN not_read_yet IS NOT null THEN 'not_read_yet'
            WHEN configuration = 'failed' THEN 'extract_failed'
            WHEN configuration = 'ok' AND enabled THEN 'pipelines_enabled'
            WHEN configuration IN ('ok', 'never_configured') THEN 'pipelines_disabled'
            WHEN runs_read = 'failed' THEN 'extract_failed'
            WHEN evidence_id IS NOT null THEN 'evidence_accepted'
            WHEN failed_before THEN 'rules_no_longer_readable'
            WHEN runs_read <> 'ok' THEN runs_read
            WHEN last_run_at >= %(window_start)s THEN 'pipeline_ran'
            ELSE 'no_pipeline_runs'
        END AS reason_code
    FROM asked
)

SELECT
    subject_id,
    reason_code,
    CASE reason_code
        WHEN 'pipelines_enabled' THEN 'Pipelines is switched on.'
        WHEN 'pipelines_disabled'
            THEN
                CASE configuration
                    WHEN 'never_configured' THEN 'Pipelines was never configured.'
                    ELSE 'Pipelines is switched off.'
                END
        WHEN 'evidence_accepted'
            THEN format('Accepted evidence, captured on %%s, shows that Pipelines is switched on.', captured_on)
        WHEN 'rules_no_longer_readable'
            THEN 'The setting can''t be read any more. When it was last read, Pipelines was switched off.'
        WHEN 'pipeline_ran'
            THEN
                format(
                    'The setting can''t be read, but a pipeline ran on %%s.', (last_run_at AT TIME ZONE 'UTC')::date
                )
        WHEN 'scope_missing'
            THEN
                'Neither setting nor runs can be read: the connection lacks the scopes repository:admin (setting) '
                || 'and pipeline (runs).'
        WHEN 'permission_missing'
            THEN 'Neither setting nor runs can be read: the connection''s identity lacks rights on the repository.'
        WHEN 'no_pipeline_runs'
            THEN
                format(
                    'The setting can''t be read, and no pipeline ran in %%s days.', %(behaviour_window_days)s::integer
                )
        ELSE
            judging.repository_reason(
                reason_code,
                not_read_yet,
                CASE configuration
                    WHEN 'failed' THEN 'the configuration of Pipelines' ELSE 'the newest pipeline'
                END
            )
    END AS reason,
    jsonb_build_object(
        'configuration', configuration,
        'enabled', enabled,
        'last_run_at', last_run_at
    ) || judging.declared(reason_code, entry, evidence_id, captured_on) AS detail,
    CASE
        WHEN reason_code IN ('pipelines_enabled', 'pipelines_disabled')
            THEN jsonb_build_object('configuration', configuration, 'enabled', enabled)
        WHEN reason_code = 'evidence_accepted' THEN jsonb_build_object('evidence_id', evidence_id)
        ELSE '{}'
    END AS facts
FROM decided;
