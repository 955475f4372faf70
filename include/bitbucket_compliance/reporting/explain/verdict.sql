-- Purpose: the intervals of one test whose subject goes by a name, an id or a slug, newest first, that held at an
-- instant.

SELECT
    history.workspace,
    history.subject_type,
    history.subject_id,
    history.subject_name,
    history.status,
    history.basis,
    history.reason_code,
    history.reason,
    history.detail,
    history.facts_hash,
    CASE WHEN exceptions.expires_at > %(moment)s::timestamptz THEN history.exception_id::text END AS exception_id,
    history.policy_version,
    history.run_id,
    history.data_as_of,
    history.valid_from,
    history.valid_to
FROM compliance.result_history AS history
LEFT JOIN registry.exceptions AS exceptions ON history.exception_id = exceptions.exception_id
WHERE
    history.test_id = %(test_id)s
    AND (%(workspace)s::text IS null OR lower(history.workspace) = lower(%(workspace)s::text))
    AND (
        history.subject_name = %(subject)s
        OR lower(history.subject_id) IN (lower(%(subject)s), '{' || lower(%(subject)s) || '}')
    )
    AND history.valid_from <= %(moment)s::timestamptz
    AND (history.valid_to IS null OR history.valid_to > %(moment)s::timestamptz)
ORDER BY history.workspace ASC, history.subject_id ASC;
