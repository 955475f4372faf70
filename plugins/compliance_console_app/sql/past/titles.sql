-- Purpose: what the tests of the catalogue are called, in their order.

SELECT
    tests.test_id,
    tests.test_title
FROM compliance.tests AS tests
ORDER BY tests.display_order ASC, tests.test_id ASC;
