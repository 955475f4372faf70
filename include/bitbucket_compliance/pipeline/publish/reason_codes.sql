-- Purpose: publish every reason code of the catalogue with its remediation; what no test gives any more is taken back.

WITH catalogue AS (
    SELECT
        codes.test_id,
        codes.reason_code,
        codes.status,
        codes.meaning,
        codes.remediation,
        codes.api_calls
    FROM unnest(
        %(code_test_ids)s::text[],
        %(code_names)s::text[],
        %(code_statuses)s::text[],
        %(code_meanings)s::text[],
        %(code_remediations)s::text[],
        %(code_api_calls)s::jsonb[]
    ) AS codes (test_id, reason_code, status, meaning, remediation, api_calls)
),

dropped AS (
    DELETE FROM compliance.reason_codes AS published
    WHERE NOT EXISTS (
        SELECT 1 FROM catalogue
        WHERE catalogue.test_id = published.test_id AND catalogue.reason_code = published.reason_code
    )
)

INSERT INTO compliance.reason_codes AS published (test_id, reason_code, status, meaning, remediation, api_calls)
SELECT
    catalogue.test_id,
    catalogue.reason_code,
    catalogue.status,
    catalogue.meaning,
    catalogue.remediation,
    catalogue.api_calls
FROM catalogue
ON CONFLICT (test_id, reason_code) DO UPDATE
    SET
        status = excluded.status,
        meaning = excluded.meaning,
        remediation = excluded.remediation,
        api_calls = excluded.api_calls;
