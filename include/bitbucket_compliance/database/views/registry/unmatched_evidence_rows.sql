-- Purpose: rows of two-step verification exports that match no member of a workspace that was read, by account id or
-- confirmed address. looked_up: false where Bitbucket was not yet asked for the address.

CREATE VIEW registry.unmatched_evidence_rows AS
WITH declared AS (
    SELECT
        named.email,
        min(named.named_at) AS named_at
    FROM (
        SELECT
            addresses.email,
            imports.imported_at AS named_at
        FROM registry.people AS people
        CROSS JOIN LATERAL unnest(people.other_emails || people.email) AS addresses (email)
        INNER JOIN registry.imports AS imports ON people.import_id = imports.import_id
        UNION ALL
        SELECT
            addresses.email,
            decisions.decided_at AS named_at
        FROM registry.evidence_members AS covered
        CROSS JOIN LATERAL unnest(covered.other_emails || covered.email) AS addresses (email)
        INNER JOIN registry.evidence_decisions AS decisions
            ON covered.evidence_id = decisions.evidence_id AND decisions.decision = 'accepted'
    ) AS named
    WHERE named.email IS NOT null
    GROUP BY named.email
),

look_ups AS (
    SELECT
        lower(coverage.workspace) AS workspace,
        coverage.data_as_of
    FROM staging.coverage AS coverage
    WHERE coverage.repository_id = '' AND coverage.resource = 'member_emails' AND coverage.outcome = 'ok'
)

SELECT
    covered.evidence_id,
    covered.line,
    covered.email,
    covered.account_id,
    covered.email IS null
    OR EXISTS (
        SELECT 1 FROM look_ups
        WHERE
            look_ups.data_as_of > declared.named_at
            AND (evidence.workspace IS null OR evidence.workspace = look_ups.workspace)
    ) AS looked_up
FROM registry.evidence_members AS covered
INNER JOIN registry.evidence AS evidence ON covered.evidence_id = evidence.evidence_id
LEFT JOIN declared ON covered.email = declared.email
WHERE
    NOT EXISTS (
        SELECT 1 FROM staging.members AS members
        WHERE
            lower(members.account_id) = lower(covered.account_id)
            AND (evidence.workspace IS null OR evidence.workspace = lower(members.workspace))
    )
    AND NOT EXISTS (
        SELECT 1 FROM staging.member_emails AS confirmed
        WHERE
            confirmed.email = covered.email
            AND (evidence.workspace IS null OR evidence.workspace = lower(confirmed.workspace))
    )
    AND (
        covered.other_emails = '{}'
        OR NOT EXISTS (
            SELECT 1 FROM staging.member_emails AS confirmed
            WHERE
                confirmed.email = any(covered.other_emails)
                AND (evidence.workspace IS null OR evidence.workspace = lower(confirmed.workspace))
        )
    );

GRANT SELECT ON registry.unmatched_evidence_rows TO compliance_pipeline, compliance_console;
