-- Purpose: publish the framework mapping of the catalogue; what is no longer mapped is taken back.

WITH mapped AS (
    SELECT
        controls.test_id,
        controls.framework,
        controls.control,
        controls.strength,
        controls.source,
        controls.note
    FROM unnest(
        %(control_test_ids)s::text[],
        %(frameworks)s::text[],
        %(controls)s::text[],
        %(strengths)s::text[],
        %(sources)s::text[],
        %(notes)s::text[]
    ) AS controls (test_id, framework, control, strength, source, note)
),

dropped AS (
    DELETE FROM compliance.test_controls AS published
    WHERE NOT EXISTS (
        SELECT 1 FROM mapped
        WHERE
            mapped.test_id = published.test_id
            AND mapped.framework = published.framework
            AND mapped.control = published.control
    )
)

INSERT INTO compliance.test_controls (test_id, framework, control, strength, source, note)
SELECT
    mapped.test_id,
    mapped.framework,
    mapped.control,
    mapped.strength,
    mapped.source,
    mapped.note
FROM mapped
ON CONFLICT (test_id, framework, control) DO UPDATE
    SET
        strength = excluded.strength,
        source = excluded.source,
        note = excluded.note;
