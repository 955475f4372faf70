-- Purpose: what waits for somebody in a workspace, beside what the navigation counts (frame/waiting).

SELECT
    (
        SELECT count(*)
        FROM compliance.evidence AS evidence
        WHERE
            (evidence.workspace IS null OR evidence.workspace = lower(%(workspace)s))
            AND evidence.status = 'accepted'
            AND evidence.valid_until <= now() + interval '14 days'
    ) AS evidence_expiring,
    (
        SELECT count(*)
        FROM compliance.exceptions AS exceptions
        WHERE
            exceptions.workspace = %(workspace)s
            AND exceptions.status = 'accepted'
            AND exceptions.expires_at <= now() + interval '14 days'
    ) AS exceptions_ending;
