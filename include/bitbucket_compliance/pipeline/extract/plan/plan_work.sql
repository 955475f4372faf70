-- Purpose: choose the listed repositories that are due, in the order in which requests are best spent on them, split
-- into chunks. Never read first, then what failed, then the stalest, then what changed since it was read or what events
-- of webhooks announced. A run for events reads what they announced, and what it finds to have another main branch.
-- Where evidence about its project may stand in for a rule, what could contradict it is read too: the signature tells.

WITH evidence_of_project AS (
    SELECT DISTINCT valid.subject_id
    FROM unnest(%(fallback_tests)s::text[]) AS tests (test_id)
    CROSS JOIN
        LATERAL registry.valid_evidence(
            %(workspace)s, tests.test_id, %(today)s::date, %(evidence_validity_days)s::integer
        ) AS valid
    WHERE valid.scope = 'project'
),

announced AS (
    SELECT DISTINCT events.repository_id
    FROM integration.webhook_events AS events
    WHERE
        events.workspace = %(workspace)s
        AND events.run_id = %(run_id)s
        AND events.handled_at IS null
        AND events.repository_id IS NOT null
),

listed AS (
    SELECT
        repositories.workspace,
        repositories.repository_id,
        repositories.slug,
        repositories.main_branch,
        repositories.updated_on,
        coalesce(classification.classification = 'non_production', false) AS non_production,
        %(read_signature)s || CASE WHEN evidence_of_project.subject_id IS null THEN '' ELSE '+evidence' END
            AS read_signature
    FROM staging.repositories AS repositories
    LEFT JOIN registry.repository_classification AS classification
        ON
            repositories.workspace = classification.workspace
            AND repositories.repository_id = classification.repository_id
    LEFT JOIN evidence_of_project ON repositories.repository_id = evidence_of_project.subject_id
    WHERE repositories.workspace = %(workspace)s
),

compared AS (
    SELECT
        listed.*,
        reads.read_at,
        CASE
            WHEN
                %(incremental)s
                THEN CASE
                    WHEN announced.repository_id IS NOT null THEN 'event'
                    WHEN
                        reads.read_at IS NOT null
                        AND coalesce(reads.main_branch, '') <> coalesce(listed.main_branch, '')
                        THEN 'basis_changed'
                END
            WHEN reads.read_at IS null THEN 'never_read'
            WHEN %(full_refresh)s THEN 'full_refresh'
            WHEN NOT reads.complete THEN 'failed_before'
            -- Up to a fifth sooner, by the repository's own share: what was read together is not due together for ever.
            WHEN
                reads.read_at <= %(as_of)s::timestamptz - make_interval(
                    secs => 3600.0 * %(reread_hours)s
                    * (1 - (mod(hashtextextended(listed.repository_id, 0), 1000) + 1000) / 10000.0)
                )
                THEN 'stale'
            WHEN
                reads.read_signature <> listed.read_signature
                OR coalesce(reads.main_branch, '') <> coalesce(listed.main_branch, '')
                OR reads.non_production <> listed.non_production
                THEN 'basis_changed'
            WHEN announced.repository_id IS NOT null THEN 'event'
            WHEN coalesce(reads.updated_on = listed.updated_on, false) THEN null
            ELSE 'changed'
        END AS cause
    FROM listed
    LEFT JOIN announced ON listed.repository_id = announced.repository_id
    LEFT JOIN landing.repository_reads AS reads
        ON listed.workspace = reads.workspace AND listed.repository_id = reads.repository_id
),

due AS (
    SELECT
        compared.*,
        row_number() OVER (
            ORDER BY
                CASE compared.cause
                    WHEN 'never_read' THEN 1
                    WHEN 'failed_before' THEN 2
                    WHEN 'stale' THEN 3
                    WHEN 'full_refresh' THEN 3
                    ELSE 4
                END ASC,
                compared.read_at ASC,
                compared.slug ASC,
                compared.repository_id ASC
        ) AS place
    FROM compared
    WHERE compared.cause IS NOT null
)

INSERT INTO landing.work_items (
    workspace,
    run_id,
    chunk,
    place,
    repository_id,
    slug,
    main_branch,
    non_production,
    cause,
    updated_on,
    read_signature
)
SELECT
    due.workspace,
    %(run_id)s,
    (due.place - 1) / %(chunk_size)s,
    due.place,
    due.repository_id,
    coalesce(due.slug, due.repository_id) AS slug,
    due.main_branch,
    due.non_production,
    due.cause,
    due.updated_on,
    due.read_signature
FROM due
ON CONFLICT (workspace, run_id, repository_id) DO NOTHING;
