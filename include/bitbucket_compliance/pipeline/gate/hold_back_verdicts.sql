-- Purpose: put an error in the place of each verdict that the gate over verdicts found wrong, and of one that is
-- missing; one that nobody asked for goes.

WITH found AS (
    SELECT
        given.test_id,
        given.subject_id,
        string_agg(given.rule, '; ' ORDER BY given.rule) AS rule
    FROM
        unnest(%(test_ids)s::text[], %(subject_ids)s::text[], %(rules)s::text[]) AS given (test_id, subject_id, rule)
    GROUP BY given.test_id, given.subject_id
),

forgotten AS (
    DELETE FROM judged.verdicts AS verdicts
    USING quality.verdict_mismatches AS mismatches
    WHERE
        verdicts.workspace = %(workspace)s
        AND verdicts.run_id = %(run_id)s
        AND verdicts.test_id = mismatches.test_id
        AND verdicts.subject_id = mismatches.subject_id
        AND NOT mismatches.is_expected
)

INSERT INTO judged.verdicts AS verdicts (
    workspace,
    run_id,
    test_id,
    subject_type,
    subject_id,
    subject_name,
    status,
    reason_code,
    reason,
    detail,
    facts,
    data_as_of,
    evaluated_at
)
SELECT
    %(workspace)s,
    %(run_id)s,
    found.test_id,
    tests.subject_type,
    found.subject_id,
    subjects.subject_name,
    'error' AS status,
    'held_back' AS reason_code,
    format('Its verdict can''t be relied on: it should hold that %%s.', found.rule) AS reason,
    jsonb_build_object('rule', found.rule) AS detail,
    jsonb_build_object('rule', found.rule) AS facts,
    least(subjects.data_as_of, %(as_of)s) AS data_as_of,
    %(as_of)s AS evaluated_at
FROM found
INNER JOIN judged.enabled_tests AS tests
    ON tests.workspace = %(workspace)s AND tests.run_id = %(run_id)s AND found.test_id = tests.test_id
CROSS JOIN LATERAL judging.subjects(%(workspace)s, tests.subject_type, true) AS subjects
WHERE subjects.subject_id = found.subject_id
ON CONFLICT (workspace, run_id, test_id, subject_id) DO UPDATE
    SET
        subject_type = excluded.subject_type,
        subject_name = excluded.subject_name,
        status = excluded.status,
        basis = null,
        reason_code = excluded.reason_code,
        reason = excluded.reason,
        detail = excluded.detail,
        facts = excluded.facts,
        data_as_of = coalesce(least(verdicts.data_as_of, excluded.data_as_of), excluded.data_as_of);
