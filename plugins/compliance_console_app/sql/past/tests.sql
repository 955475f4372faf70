-- Purpose: the tests whose results were published by the end of a day, each with its counts; in all_… those of the
-- workspace. compliance.results_as_of tells the same of every subject, which takes longer than a page may.

WITH counted AS (
    SELECT
        trend.test_id,
        min(trend.severity) AS severity,
        sum(trend.passing)::bigint AS passing,
        sum(trend.failing)::bigint AS failing,
        sum(trend.pending + trend.error)::bigint AS undecided,
        sum(trend.not_applicable)::bigint AS not_applicable,
        sum(trend.stale)::bigint AS stale,
        sum(trend.weighted_passing) AS weighted_passing,
        sum(trend.weighted_decided - trend.weighted_passing) AS weighted_failing
    FROM compliance.daily_trend AS trend
    WHERE trend.workspace = %(workspace)s AND trend.day = %(day)s::date
    GROUP BY trend.test_id
),

-- An exception counts until it expires, although the interval may end a little later.
accepted AS (
    SELECT
        held.test_id,
        held.subject_id,
        held.status
    FROM compliance.result_history AS held
    LEFT JOIN compliance.exceptions AS expired
        ON held.exception_id = expired.exception_id AND expired.expires_at <= %(as_of)s
    WHERE
        held.workspace = %(workspace)s
        AND held.exception_id IS NOT null
        AND held.valid_from <= %(as_of)s
        AND (held.valid_to IS null OR held.valid_to > %(as_of)s)
        AND held.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
        AND expired.exception_id IS null
),

accepted_counts AS (
    SELECT
        accepted.test_id,
        count(*) AS accepted
    FROM accepted
    WHERE accepted.status = 'failing'
    GROUP BY accepted.test_id
),

overdue_counts AS (
    SELECT
        findings.test_id,
        count(DISTINCT findings.subject_id) AS overdue
    FROM compliance.finding_records AS findings
    LEFT JOIN accepted ON findings.test_id = accepted.test_id AND findings.subject_id = accepted.subject_id
    CROSS JOIN
        LATERAL (
            SELECT history.reason_code
            FROM compliance.result_history AS history
            WHERE
                history.workspace = %(workspace)s
                AND history.test_id = findings.test_id
                AND history.subject_id = findings.subject_id
                AND history.valid_from <= %(as_of)s
            ORDER BY history.valid_from DESC
            LIMIT 1
        ) AS standing
    WHERE
        findings.workspace = %(workspace)s
        AND findings.found_at <= %(as_of)s
        AND (findings.ended_at IS null OR findings.ended_at > %(as_of)s)
        AND findings.due_at < %(as_of)s
        AND accepted.subject_id IS null
        -- a subject that is out of sight, or whose test is switched off, has a finding but no result
        AND standing.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
    GROUP BY findings.test_id
)

SELECT
    counted.test_id,
    counted.severity,
    counted.passing,
    counted.failing,
    counted.undecided,
    counted.not_applicable,
    counted.stale,
    coalesce(accepted_counts.accepted, 0) AS accepted,
    coalesce(overdue_counts.overdue, 0) AS overdue,
    coalesce(tests.test_title, counted.test_id) AS test_title,
    tests.description,
    compliance.score(counted.passing, counted.failing) AS score,
    compliance.score(sum(counted.weighted_passing) OVER (), sum(counted.weighted_failing) OVER ()) AS all_score,
    sum(counted.passing) OVER () AS all_passing,
    sum(counted.failing) OVER () AS all_failing,
    sum(counted.undecided) OVER () AS all_undecided,
    sum(counted.stale) OVER () AS all_stale,
    sum(coalesce(accepted_counts.accepted, 0)) OVER () AS all_accepted,
    sum(coalesce(overdue_counts.overdue, 0)) OVER () AS all_overdue
FROM counted
LEFT JOIN accepted_counts ON counted.test_id = accepted_counts.test_id
LEFT JOIN overdue_counts ON counted.test_id = overdue_counts.test_id
LEFT JOIN compliance.tests AS tests ON counted.test_id = tests.test_id
ORDER BY tests.display_order ASC, counted.test_id ASC;
