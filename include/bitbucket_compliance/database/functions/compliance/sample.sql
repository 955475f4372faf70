-- Purpose: draw a sample of a population in a period of days, so that anybody can draw it again: the rows in the order
-- of SHA-256 over the seed followed by the key, as many of the first as the policy says. Without a seed it is the
-- population's digest: SHA-256, hex, over all keys in the order of their bytes, with a line feed between.

CREATE FUNCTION compliance.sample(
    in_workspace text, in_population text, first_day date, last_day date, in_seed text DEFAULT null,
    frequency text DEFAULT null, items bigint DEFAULT null
)
RETURNS TABLE (
    place bigint, key text, happened_on date, draw_digest text, seed text, population_size bigint, sample_size bigint
)
LANGUAGE sql STABLE
AS $sample$
    WITH rows AS MATERIALIZED (
        SELECT
            population.key,
            population.happened_on
        FROM compliance.population(in_workspace, in_population, first_day, last_day) AS population
    ),

    given AS MATERIALIZED (
        SELECT
            count(*) AS population_size,
            coalesce(
                in_seed,
                encode(
                    sha256(
                        convert_to(
                            coalesce(string_agg(rows.key, E'\n' ORDER BY rows.key COLLATE "C"), ''), 'UTF8'
                        )
                    ),
                    'hex'
                )
            ) AS seed
        FROM rows
    ),

    sized AS MATERIALIZED (
        SELECT
            given.seed,
            given.population_size,
            least(
                coalesce(items, compliance.sample_size(in_workspace, given.population_size, frequency)),
                given.population_size
            ) AS sample_size
        FROM given
    ),

    drawn AS (
        SELECT
            rows.key,
            rows.happened_on,
            sha256(convert_to(sized.seed || rows.key, 'UTF8')) AS digest
        FROM rows
        CROSS JOIN sized
        ORDER BY digest ASC, rows.key COLLATE "C" ASC
        LIMIT (SELECT sized.sample_size FROM sized)
    )

    SELECT
        row_number() OVER (ORDER BY drawn.digest ASC, drawn.key COLLATE "C" ASC),
        drawn.key,
        drawn.happened_on,
        encode(drawn.digest, 'hex'),
        sized.seed,
        sized.population_size,
        sized.sample_size
    FROM drawn
    CROSS JOIN sized
    ORDER BY 1
$sample$;

COMMENT ON FUNCTION compliance.sample(text, text, date, date, text, text, bigint) IS
'A sample of a population (see population) in a period of days: the first rows in the order of SHA-256 over the seed followed by the key, as many as sample_size says, or items. Without a seed it is the population''s digest: SHA-256, hex, over all keys in the order of their bytes, with a line feed between.';

GRANT EXECUTE ON FUNCTION compliance.sample(text, text, date, date, text, text, bigint)
TO compliance_pipeline, compliance_console, compliance_reader;
