-- Purpose: which test gives evidence for which control, and what the control asks for beside it.

SELECT
    controls.test_id,
    tests.test_title,
    controls.framework,
    controls.control,
    controls.title,
    controls.strength,
    controls.source,
    controls.note
FROM compliance.test_controls AS controls
INNER JOIN compliance.tests AS tests ON controls.test_id = tests.test_id
WHERE %(framework)s::text IS null OR controls.framework = %(framework)s
ORDER BY controls.framework, controls.control, controls.test_id;
