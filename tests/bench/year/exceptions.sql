-- Purpose: accepted exceptions on one failure in twenty; each of them covers one subject.

ALTER TABLE compliance.result_history DISABLE TRIGGER USER;

CREATE TABLE bench.excepted AS
SELECT
    gen_random_uuid() AS exception_id,
    results.test_id,
    results.subject_id,
    results.facts_hash
FROM compliance.results AS results
WHERE results.status = 'failing' AND bench.dice(results.test_id || results.subject_id) < 500;

INSERT INTO registry.exceptions (
    exception_id, workspace, test_id, scope, target, owner, reason, expires_at, requested_by
)
SELECT
    excepted.exception_id,
    %(workspace)s,
    excepted.test_id,
    'subject',
    excepted.subject_id,
    'airflow:owner@example.com',
    'Replaced this year.',
    now() + interval '25 days',
    'airflow:owner@example.com'
FROM bench.excepted AS excepted;

INSERT INTO registry.policy_versions (policy_version, body) VALUES ('bench', '{}') ON CONFLICT DO NOTHING;
INSERT INTO registry.exception_decisions (exception_id, decision, decided_by, policy_version)
SELECT
    excepted.exception_id,
    'accepted',
    'airflow:approver@example.com',
    'bench'
FROM bench.excepted AS excepted;

INSERT INTO registry.exception_subjects (exception_id, workspace, test_id, subject_id, facts_hash)
SELECT
    excepted.exception_id,
    %(workspace)s,
    excepted.test_id,
    excepted.subject_id,
    excepted.facts_hash
FROM bench.excepted AS excepted;

UPDATE compliance.results AS results
SET exception_id = excepted.exception_id, exception_expires_at = now() + interval '25 days'
FROM bench.excepted AS excepted
WHERE results.test_id = excepted.test_id AND results.subject_id = excepted.subject_id;

UPDATE compliance.result_history AS history
SET exception_id = excepted.exception_id
FROM bench.excepted AS excepted
WHERE
    history.test_id = excepted.test_id
    AND history.subject_id = excepted.subject_id
    AND history.valid_to IS null;

ALTER TABLE compliance.result_history ENABLE TRIGGER USER;
