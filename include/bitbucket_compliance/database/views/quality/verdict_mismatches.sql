-- Purpose: where verdicts and subjects x enabled tests disagree: a subject that should be judged and was not, or a
-- verdict that nobody asked for.

CREATE VIEW quality.verdict_mismatches AS
WITH expected AS (
    SELECT
        tests.test_id,
        subjects.subject_id,
        CASE WHEN tests.subject_type = 'repository' THEN subjects.subject_name END AS repository
    FROM judged.enabled_tests AS tests
    INNER JOIN integration.runs AS runs ON tests.run_id = runs.run_id
    CROSS JOIN LATERAL judging.subjects(tests.workspace, tests.subject_type, true) AS subjects
    WHERE
        tests.workspace = current_setting('compliance.workspace')
        AND tests.run_id = current_setting('compliance.run_id')
        AND (
            runs.judges_all
            OR EXISTS (
                SELECT 1
                FROM judged.subjects AS wanted
                WHERE
                    wanted.workspace = tests.workspace
                    AND wanted.run_id = tests.run_id
                    AND wanted.subject_id = subjects.subject_id
            )
        )
)

SELECT
    coalesce(expected.test_id, verdicts.test_id) AS test_id,
    coalesce(expected.subject_id, verdicts.subject_id) AS subject_id,
    coalesce(expected.repository, verdicts.repository) AS repository,
    expected.test_id IS NOT null AS is_expected,
    verdicts.test_id IS NOT null AS is_judged
FROM expected
FULL OUTER JOIN quality.verdicts AS verdicts
    ON expected.test_id = verdicts.test_id AND expected.subject_id = verdicts.subject_id
WHERE expected.test_id IS null OR verdicts.test_id IS null;
