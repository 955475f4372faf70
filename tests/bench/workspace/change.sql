-- Purpose: what a day changes, in repositories whose rules can be read and count: every other one loses or gets back
-- its rule against deletion (one verdict), the others what enforces merge checks (two verdicts). Gives the verdicts.

WITH eligible AS (
    SELECT
        repositories.number,
        row_number() OVER (ORDER BY repositories.number) - 1 AS place,
        count(*) OVER () AS eligible
    FROM bench.repositories AS repositories
    LEFT JOIN registry.repository_classification AS classification
        ON repositories.repository_id = classification.repository_id AND classification.workspace = %(workspace)s
    WHERE
        repositories.kind IN ('protected', 'by_model')
        AND classification.classification IS DISTINCT FROM 'non_production'
),

chosen AS (
    SELECT
        eligible.number,
        mod(eligible.place, 2) = 0 AS of_deletion
    FROM eligible
    -- so many each day, the next ones the day after
    WHERE
        mod(eligible.place - %(day)s * %(changes)s + 1000000 * eligible.eligible, eligible.eligible) < %(changes)s
),

changed AS (
    UPDATE bench.repositories AS repositories
    SET
        deletion_prevented = repositories.deletion_prevented <> chosen.of_deletion,
        merge_checks_enforced = repositories.merge_checks_enforced = chosen.of_deletion,
        updated_on = repositories.updated_on + interval '1 second'
    FROM chosen
    WHERE repositories.number = chosen.number
    RETURNING CASE WHEN chosen.of_deletion THEN 1 ELSE 2 END AS verdicts
)

SELECT
    count(*) AS repositories,
    coalesce(sum(changed.verdicts), 0) AS verdicts
FROM changed;
