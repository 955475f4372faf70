-- Purpose: how many rows a sample of a population has, by the table in the policy of the newest run: by how often the
-- control operates (daily, weekly, monthly) where that is said, else by how many rows the population has.

CREATE FUNCTION compliance.sample_size(in_workspace text, population_size bigint, frequency text DEFAULT null)
RETURNS bigint
LANGUAGE sql STABLE
AS $size$
    WITH policy AS (
        SELECT policies.thresholds
        FROM compliance.runs AS runs
        INNER JOIN compliance.policies AS policies ON runs.policy_version = policies.policy_version
        WHERE runs.workspace = in_workspace
        ORDER BY runs.started_at DESC
        LIMIT 1
    ),

    -- the first line of the table that the population fits into, such as "250: 10 %"
    line AS (
        SELECT split_part(lines.line, ': ', 2) AS size
        FROM jsonb_array_elements_text(
            coalesce(
                (SELECT policy.thresholds -> 'sample_sizes' FROM policy),
                '["5: 100 %", "50: 5", "250: 10 %", "more: 25"]'
            )
        ) WITH ORDINALITY AS lines (line, place)
        WHERE
            CASE
                WHEN starts_with(lines.line, 'more') THEN true
                ELSE population_size <= split_part(lines.line, ': ', 1)::bigint
            END
        ORDER BY lines.place ASC
        LIMIT 1
    )

    SELECT
        least(
            population_size,
            CASE
                WHEN frequency IS NOT null
                    THEN
                        coalesce(
                            (SELECT (policy.thresholds ->> ('sample_items_' || frequency))::bigint FROM policy),
                            CASE frequency WHEN 'daily' THEN 25 WHEN 'weekly' THEN 10 WHEN 'monthly' THEN 3 END
                        )
                WHEN line.size LIKE '% \%'
                    THEN ceil(population_size * rtrim(line.size, ' %')::numeric / 100)::bigint
                ELSE line.size::bigint
            END
        )
    FROM line
$size$;

COMMENT ON FUNCTION compliance.sample_size(text, bigint, text) IS
'How many rows a sample has, by sample_items_daily, _weekly or _monthly of the policy or, where no frequency is given, by its sample_sizes; never more than the population, a share rounded up.';

GRANT EXECUTE ON FUNCTION compliance.sample_size(text, bigint, text)
TO compliance_pipeline, compliance_console, compliance_reader;
