-- Purpose: the risks that somebody asked to accept before the period ended, with what became of them.

SELECT exceptions.*
FROM compliance.exceptions AS exceptions
WHERE exceptions.workspace = %(workspace)s AND exceptions.requested_at < %(ends_at)s
ORDER BY exceptions.requested_at, exceptions.exception_id;
