-- Purpose: publish the catalogue under the policy of this run.

INSERT INTO compliance.tests (
    test_id, test_title, severity, subject_type, manual, enabled, display_order, description
)
SELECT
    tests.test_id,
    tests.title,
    tests.severity,
    tests.subject_type,
    tests.manual,
    tests.enabled,
    tests.display_order,
    tests.description
FROM
    unnest(
        %(all_test_ids)s::text[],
        %(all_titles)s::text[],
        %(all_severities)s::text[],
        %(all_subject_types)s::text[],
        %(all_manual)s::boolean[],
        %(all_enabled)s::boolean[],
        %(all_orders)s::integer[],
        %(all_descriptions)s::text[]
    ) AS tests (test_id, title, severity, subject_type, manual, enabled, display_order, description)
ON CONFLICT (test_id) DO UPDATE
    SET
        test_title = excluded.test_title,
        severity = excluded.severity,
        subject_type = excluded.subject_type,
        manual = excluded.manual,
        enabled = excluded.enabled,
        display_order = excluded.display_order,
        description = excluded.description;
