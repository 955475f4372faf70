-- Purpose: one piece of evidence with who submitted and decided it.

SELECT
    states.evidence_id::text AS evidence_id,
    states.kind,
    states.scope,
    states.targets,
    states.captured_on,
    states.submitted_by,
    states.submitted_at,
    states.status,
    states.file_name,
    states.file_sha256,
    decisions.decided_by,
    decisions.decided_at
FROM registry.evidence_states AS states
LEFT JOIN registry.evidence_decisions AS decisions
    ON states.evidence_id = decisions.evidence_id AND decisions.decision = 'accepted'
WHERE states.evidence_id::text = %(evidence_id)s;
