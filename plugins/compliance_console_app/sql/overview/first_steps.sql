-- Purpose: which of the first steps were done: what people declare, and whether a second person is known.

SELECT
    coalesce(
        (
            SELECT true
            FROM registry.repository_classification AS standing
            WHERE standing.workspace = %(workspace)s
            LIMIT 1 -- noqa: AM09
        ),
        false
    ) AS classification,
    (SELECT count(*) > 0 FROM registry.rosters_in_force) AS roster,
    (
        SELECT count(*) > 0
        FROM registry.evidence_states AS evidence
        WHERE evidence.kind = 'mfa_export' AND evidence.status IN ('submitted', 'accepted')
    ) AS mfa,
    (SELECT count(*) > 1 FROM registry.persons) AS reviewer;
