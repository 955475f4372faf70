-- Purpose: judge pipelines_enabled: is Bitbucket Pipelines switched on?
-- Order of the rules: design, section 5. Never configured is a 404 while another call on the repository succeeds.

WITH evidence AS (
    SELECT
        valid.subject_id,
        (array_agg(valid.evidence_id ORDER BY valid.captured_on DESC, valid.submitted_at DESC))[1] AS evidence_id,
        max(valid.captured_on) AS captured_on
    FROM
        registry.valid_evidence(
            %(workspace)s, 'pipelines_enabled', %(today)s::date, %(evidence_validity_days)s::integer
        ) AS valid
    GROUP BY valid.subject_id
),

subjects AS MATERIALIZED (
    SELECT
        repositories.workspace,
        repositories.repository_id,
        repositories.slug,
        classification.classification,
        classification.target_type || ' ' || classification.target AS entry,
        coverage.pipelines,
        coverage.data_as_of,
        coverage.read_at,
        coverage.read_at IS null
        OR coverage.data_as_of < %(as_of)s::timestamptz - make_interval(secs => 3600.0 * %(max_data_age_hours)s)
            AS not_read_in_time,
        configs.enabled,
        evidence.evidence_id,
        evidence.captured_on,
        latest.created_on AS last_run_at,
        coalesce(latest.created_on >= %(window_start)s, false) AS ran_in_window,
        CASE
            WHEN coverage.pipelines_config = 'not_found' AND coverage.another_call_succeeded THEN 'never_configured'
            WHEN coverage.pipelines_config IN ('scope_missing', 'permission_missing') THEN coverage.pipelines_config
            WHEN coverage.pipelines_config = 'ok' AND configs.enabled IS NOT null THEN 'ok'
            ELSE 'failed'
        END AS configuration
    FROM staging.repositories AS repositories
    INNER JOIN staging.repository_coverage AS coverage
        ON repositories.workspace = coverage.workspace AND repositories.repository_id = coverage.repository_id
    LEFT JOIN registry.repository_classification AS classification
        ON
            repositories.workspace = classification.workspace
            AND repositories.repository_id = classification.repository_id
    LEFT JOIN staging.pipelines_configs AS configs
        ON repositories.workspace = configs.workspace AND repositories.repository_id = configs.repository_id
    LEFT JOIN staging.latest_pipelines AS latest
        ON repositories.workspace = latest.workspace AND repositories.repository_id = latest.repository_id
    LEFT JOIN evidence ON repositories.repository_id = evidence.subject_id
    WHERE
        repositories.workspace = %(workspace)s
        AND (%(subjects)s::text[] IS null OR repositories.repository_id = any(%(subjects)s::text[]))
),

decided AS MATERIALIZED (
    SELECT
        subjects.*,
        CASE
            WHEN subjects.classification = 'non_production' THEN 'non_production'
            WHEN subjects.not_read_in_time THEN 'not_read_yet'
            WHEN subjects.configuration = 'failed' THEN 'extract_failed'
            WHEN subjects.configuration = 'ok' AND subjects.enabled THEN 'pipelines_enabled'
            WHEN subjects.configuration IN ('ok', 'never_configured') THEN 'pipelines_disabled'
            WHEN
                coalesce(subjects.pipelines, 'failed') NOT IN ('ok', 'scope_missing', 'permission_missing')
                THEN 'extract_failed'
            WHEN subjects.evidence_id IS NOT null THEN 'evidence_accepted'
            WHEN subjects.pipelines <> 'ok' THEN subjects.pipelines
            WHEN subjects.ran_in_window THEN 'pipeline_ran'
            ELSE 'no_pipeline_runs'
        END AS reason_code
    FROM subjects
)

INSERT INTO judged.verdicts (
    workspace,
    run_id,
    test_id,
    subject_type,
    subject_id,
    subject_name,
    status,
    basis,
    reason_code,
    reason,
    detail,
    facts,
    data_as_of,
    evaluated_at
)
SELECT
    decided.workspace,
    %(run_id)s,
    'pipelines_enabled',
    'repository',
    decided.repository_id,
    decided.slug,
    CASE
        WHEN decided.reason_code = 'non_production' THEN 'not_applicable'
        WHEN decided.reason_code = 'extract_failed' THEN 'error'
        WHEN decided.reason_code IN ('pipelines_enabled', 'pipeline_ran', 'evidence_accepted') THEN 'passing'
        WHEN decided.reason_code = 'pipelines_disabled' THEN 'failing'
        ELSE 'pending'
    END,
    CASE
        WHEN decided.reason_code = 'non_production' THEN 'registry'
        WHEN decided.reason_code IN ('pipelines_enabled', 'pipelines_disabled') THEN 'configuration'
        WHEN decided.reason_code = 'pipeline_ran' THEN 'behaviour'
        WHEN decided.reason_code = 'evidence_accepted' THEN 'evidence'
    END,
    decided.reason_code,
    CASE decided.reason_code
        WHEN 'non_production' THEN 'Declared non-production.'
        WHEN 'not_read_yet'
            THEN
                CASE
                    WHEN decided.read_at IS null THEN 'Not read yet: it waits for its turn in the request budget.'
                    ELSE format(
                        'Last read on %%s, too long ago to tell: it waits for its turn in the request budget.',
                        (decided.data_as_of AT TIME ZONE 'UTC')::date
                    )
                END
        WHEN 'extract_failed'
            THEN format(
                'Could not be read in this run: %%s.',
                CASE
                    WHEN decided.configuration = 'failed' THEN 'the configuration of Pipelines'
                    ELSE 'the newest pipeline'
                END
            )
        WHEN 'pipelines_enabled' THEN 'Pipelines is switched on.'
        WHEN 'pipelines_disabled'
            THEN
                CASE
                    WHEN decided.configuration = 'never_configured' THEN 'Pipelines was never configured.'
                    ELSE 'Pipelines is switched off.'
                END
        WHEN 'evidence_accepted'
            THEN format('Accepted evidence, captured on %%s, shows that Pipelines is switched on.', decided.captured_on)
        WHEN 'pipeline_ran'
            THEN
                format(
                    'The setting can''t be read, but a pipeline ran on %%s.',
                    (decided.last_run_at AT TIME ZONE 'UTC')::date
                )
        WHEN 'scope_missing'
            THEN
                'Neither setting nor runs can be read: the connection lacks the scopes repository:admin (setting) '
                || 'and pipeline (runs).'
        WHEN 'permission_missing'
            THEN 'Neither setting nor runs can be read: this identity lacks rights on the repository.'
        ELSE format(
            'The setting can''t be read, and no pipeline ran in %%s days.', %(behaviour_window_days)s::integer
        )
    END,
    jsonb_build_object(
        'configuration', decided.configuration,
        'enabled', decided.enabled,
        'last_run_at', decided.last_run_at
    ) || CASE
        WHEN decided.reason_code = 'non_production'
            THEN jsonb_build_object('entry', decided.entry)
        WHEN decided.reason_code = 'evidence_accepted'
            THEN jsonb_build_object('evidence_id', decided.evidence_id, 'captured_on', decided.captured_on)
        ELSE '{}'
    END,
    CASE
        WHEN decided.reason_code IN ('pipelines_enabled', 'pipelines_disabled')
            THEN jsonb_build_object('configuration', decided.configuration, 'enabled', decided.enabled)
        WHEN decided.reason_code = 'evidence_accepted'
            THEN jsonb_build_object('evidence_id', decided.evidence_id)
        ELSE '{}'
    END,
    decided.data_as_of,
    %(as_of)s
FROM decided;
