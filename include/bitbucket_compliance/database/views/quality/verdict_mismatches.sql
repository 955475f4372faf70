-- Purpose: where verdicts and subjects x enabled tests disagree: a subject that should be judged and was not, or a
-- verdict that nobody asked for.

CREATE VIEW quality.verdict_mismatches AS
WITH enabled_tests AS (
    SELECT
        tests.test_id,
        tests.subject_type
    FROM judged.enabled_tests AS tests
    WHERE
        tests.workspace = current_setting('compliance.workspace')
        AND tests.run_id = current_setting('compliance.run_id')
),

subjects AS (
    SELECT
        'repository' AS subject_type,
        staged.repository_id AS subject_id,
        staged.slug AS repository
    FROM staging.repositories AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'member' AS subject_type,
        staged.member_id AS subject_id,
        null AS repository
    FROM staging.members AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'workspace' AS subject_type,
        staged.workspace_id AS subject_id,
        null AS repository
    FROM staging.workspaces AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
),

asked_for AS (
    SELECT subjects.*
    FROM subjects
    WHERE
        (
            SELECT runs.judges_all FROM integration.runs AS runs
            WHERE runs.run_id = current_setting('compliance.run_id')
        )
        OR EXISTS (
            SELECT 1
            FROM judged.subjects AS wanted
            WHERE
                wanted.workspace = current_setting('compliance.workspace')
                AND wanted.run_id = current_setting('compliance.run_id')
                AND wanted.subject_id = subjects.subject_id
        )
)

SELECT
    coalesce(expected.test_id, verdicts.test_id) AS test_id,
    coalesce(expected.subject_id, verdicts.subject_id) AS subject_id,
    coalesce(expected.repository, verdicts.repository) AS repository,
    expected.test_id IS NOT null AS is_expected,
    verdicts.test_id IS NOT null AS is_judged
FROM (
    SELECT
        enabled_tests.test_id,
        asked_for.subject_id,
        asked_for.repository
    FROM enabled_tests
    INNER JOIN asked_for ON enabled_tests.subject_type = asked_for.subject_type
) AS expected
FULL OUTER JOIN quality.verdicts AS verdicts
    ON expected.test_id = verdicts.test_id AND expected.subject_id = verdicts.subject_id
WHERE expected.test_id IS null OR verdicts.test_id IS null;
