-- Purpose: the catalogue of the tests, and the controls of frameworks that each gives evidence for.

SELECT
    tests.test_id,
    tests.test_title AS title,
    tests.description,
    coalesce(
        (
            SELECT
                jsonb_agg(
                    jsonb_build_object(
                        'framework', controls.framework,
                        'control', controls.control,
                        'strength', controls.strength,
                        'source', controls.source
                    )
                    ORDER BY controls.framework, controls.control
                )
            FROM compliance.test_controls AS controls
            WHERE controls.test_id = tests.test_id
        ),
        '[]'
    ) AS controls
FROM compliance.tests AS tests
ORDER BY tests.display_order, tests.test_id;
