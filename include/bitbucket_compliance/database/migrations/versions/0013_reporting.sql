-- Purpose: what analysts and dashboards read beside the results: trends, scores, findings with their times to fix,
-- and what could not be decided.

-- ------------------------------------------------------------------ the score

CREATE VIEW compliance.severity_weights AS
SELECT
    weights.severity,
    weights.weight
FROM (VALUES ('critical', 3), ('high', 2), ('medium', 1)) AS weights (severity, weight);
COMMENT ON VIEW compliance.severity_weights IS 'How much a verdict of each severity weighs in a score.';
COMMENT ON COLUMN compliance.severity_weights.severity IS 'critical, high or medium.';
COMMENT ON COLUMN compliance.severity_weights.weight IS 'Its weight.';

CREATE FUNCTION compliance.score(passing numeric, failing numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN round(100 * passing / nullif(passing + failing, 0), 1);
COMMENT ON FUNCTION compliance.score(numeric, numeric) IS
'Passing among decided, in percent; null where nothing is decided. Over several tests both are sums weighted by severity_weights. pending and error count for neither side.';

-- ---------------------------------------------------------------- test_summary

-- Each workspace has a policy of its own, so what the newest publication of another one asked for says nothing here.
CREATE OR REPLACE VIEW compliance.test_summary AS
WITH workspaces AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        policies.body -> 'tests' AS policy
    FROM integration.runs AS runs
    LEFT JOIN registry.policy_versions AS policies ON runs.policy_version = policies.policy_version
    WHERE runs.status = 'published'
    ORDER BY runs.workspace ASC, runs.started_at DESC
),

counts AS (
    SELECT
        results.workspace,
        results.test_id,
        count(*) FILTER (WHERE results.status = 'passing') AS passing,
        count(*) FILTER (WHERE results.status = 'failing') AS failing,
        count(*) FILTER (WHERE results.status = 'pending') AS pending,
        count(*) FILTER (WHERE results.status = 'error') AS error,
        count(*) FILTER (WHERE results.status = 'not_applicable') AS not_applicable,
        count(*) FILTER (WHERE results.is_stale) AS stale,
        count(*) FILTER (WHERE results.status = 'failing' AND results.exception_id IS NOT null) AS excepted,
        count(*) FILTER (
            WHERE results.failing_since IS NOT null AND results.due_at < now() AND results.exception_id IS null
        ) AS overdue,
        count(*) FILTER (WHERE results.status = 'passing' AND NOT results.is_stale) AS fresh_passing,
        count(*) FILTER (WHERE results.status = 'failing' AND NOT results.is_stale) AS fresh_failing
    FROM compliance.current_results AS results
    GROUP BY results.workspace, results.test_id
),

asked AS (
    SELECT
        workspaces.workspace,
        tests.test_id,
        tests.test_title,
        coalesce(workspaces.policy -> tests.test_id ->> 'severity', tests.severity) AS severity,
        coalesce((workspaces.policy -> tests.test_id ->> 'enabled')::boolean, tests.enabled) AS enabled,
        tests.display_order
    FROM workspaces
    CROSS JOIN compliance.tests AS tests
)

SELECT
    asked.workspace,
    asked.test_id,
    asked.test_title,
    asked.severity,
    asked.enabled,
    CASE
        WHEN NOT asked.enabled THEN 'not_run'
        WHEN counts.failing > 0 THEN 'failing'
        WHEN counts.error > 0 THEN 'error'
        WHEN counts.pending > 0 THEN 'pending'
        WHEN counts.passing > 0 THEN 'passing'
        ELSE 'not_applicable'
    END AS status,
    coalesce(counts.passing, 0) AS passing,
    coalesce(counts.failing, 0) AS failing,
    coalesce(counts.pending, 0) AS pending,
    coalesce(counts.error, 0) AS error,
    coalesce(counts.not_applicable, 0) AS not_applicable,
    coalesce(counts.stale, 0) AS stale,
    asked.display_order,
    coalesce(counts.excepted, 0) AS excepted,
    coalesce(counts.overdue, 0) AS overdue,
    compliance.score(counts.passing, counts.failing) AS score,
    coalesce(counts.fresh_passing, 0) AS fresh_passing,
    coalesce(counts.fresh_failing, 0) AS fresh_failing,
    compliance.score(counts.fresh_passing, counts.fresh_failing) AS fresh_score
FROM asked
LEFT JOIN counts ON asked.workspace = counts.workspace AND asked.test_id = counts.test_id;
COMMENT ON COLUMN compliance.test_summary.stale IS
'Subjects whose verdict is past its freshness; they are counted in the columns of their status too.';
COMMENT ON COLUMN compliance.test_summary.excepted IS 'Failing subjects whose risk somebody accepted; they are among failing.';
COMMENT ON COLUMN compliance.test_summary.overdue IS 'Subjects past their due date whose risk nobody accepted.';
COMMENT ON COLUMN compliance.test_summary.score IS 'Passing among passing and failing, in percent; null where nothing is decided.';
COMMENT ON COLUMN compliance.test_summary.fresh_passing IS 'Subjects passing whose verdict may still be relied on.';
COMMENT ON COLUMN compliance.test_summary.fresh_failing IS 'Subjects failing whose verdict may still be relied on.';
COMMENT ON COLUMN compliance.test_summary.fresh_score IS
'The score without what is stale: fresh_passing among fresh_passing and fresh_failing, in percent; null where nothing fresh is decided.';

CREATE VIEW compliance.workspace_score AS
SELECT
    summary.workspace,
    compliance.score(
        sum(weights.weight * summary.passing) FILTER (WHERE summary.enabled),
        sum(weights.weight * summary.failing) FILTER (WHERE summary.enabled)
    ) AS score,
    sum(summary.passing)::bigint AS passing,
    sum(summary.failing)::bigint AS failing,
    sum(summary.pending)::bigint AS pending,
    sum(summary.error)::bigint AS error,
    sum(summary.not_applicable)::bigint AS not_applicable,
    sum(summary.stale)::bigint AS stale,
    sum(summary.excepted)::bigint AS excepted,
    sum(summary.overdue)::bigint AS overdue,
    compliance.score(
        sum(weights.weight * summary.fresh_passing) FILTER (WHERE summary.enabled),
        sum(weights.weight * summary.fresh_failing) FILTER (WHERE summary.enabled)
    ) AS fresh_score
FROM compliance.test_summary AS summary
INNER JOIN compliance.severity_weights AS weights ON summary.severity = weights.severity
GROUP BY summary.workspace;
COMMENT ON VIEW compliance.workspace_score IS
'One row a workspace: the share of passing among decided verdicts, weighted by severity, with what is not in it beside it.';
COMMENT ON COLUMN compliance.workspace_score.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.workspace_score.score IS
'100 × Σ weight × passing ÷ Σ weight × (passing + failing) over enabled tests; weights in severity_weights; null where nothing is decided.';
COMMENT ON COLUMN compliance.workspace_score.passing IS 'Verdicts passing.';
COMMENT ON COLUMN compliance.workspace_score.failing IS 'Verdicts failing, those with an accepted exception included.';
COMMENT ON COLUMN compliance.workspace_score.pending IS 'Verdicts that wait for something; not in the score.';
COMMENT ON COLUMN compliance.workspace_score.error IS 'Verdicts whose data could not be collected; not in the score.';
COMMENT ON COLUMN compliance.workspace_score.not_applicable IS 'Subjects that a test does not apply to.';
COMMENT ON COLUMN compliance.workspace_score.stale IS 'Verdicts past their freshness; they are among the others too.';
COMMENT ON COLUMN compliance.workspace_score.excepted IS 'Failing verdicts whose risk somebody accepted.';
COMMENT ON COLUMN compliance.workspace_score.overdue IS 'Verdicts past their due date whose risk nobody accepted.';
COMMENT ON COLUMN compliance.workspace_score.fresh_score IS
'The score over verdicts that are not stale alone; null where none of them is decided. It differs from score where a publication is overdue.';

-- ----------------------------------------------------------------- daily_trend

CREATE VIEW compliance.daily_trend AS
WITH intervals AS (
    SELECT
        history.workspace,
        history.test_id,
        history.severity,
        history.status,
        (history.valid_from AT TIME ZONE 'UTC')::date AS from_day,
        (history.valid_to AT TIME ZONE 'UTC')::date AS to_day
    FROM compliance.result_history AS history
    WHERE history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
),

-- An interval counts on the days at whose end it held: one that began and ended on one day on none.
changes AS (
    SELECT
        intervals.workspace,
        intervals.test_id,
        intervals.severity,
        moves.day,
        sum(moves.sign) FILTER (WHERE intervals.status = 'passing') AS passing,
        sum(moves.sign) FILTER (WHERE intervals.status = 'failing') AS failing,
        sum(moves.sign) FILTER (WHERE intervals.status = 'pending') AS pending,
        sum(moves.sign) FILTER (WHERE intervals.status = 'error') AS error,
        sum(moves.sign) FILTER (WHERE intervals.status = 'not_applicable') AS not_applicable
    FROM intervals
    CROSS JOIN LATERAL (VALUES (intervals.from_day, 1), (intervals.to_day, -1)) AS moves (day, sign)
    WHERE moves.day IS NOT null
    GROUP BY intervals.workspace, intervals.test_id, intervals.severity, moves.day
),

series AS (
    SELECT
        firsts.workspace,
        firsts.test_id,
        firsts.severity,
        days.day::date AS day
    FROM (
        SELECT
            changes.workspace,
            changes.test_id,
            changes.severity,
            min(changes.day) AS first_day
        FROM changes
        GROUP BY changes.workspace, changes.test_id, changes.severity
    ) AS firsts
    CROSS JOIN LATERAL generate_series(
        firsts.first_day, (now() AT TIME ZONE 'UTC')::date, interval '1 day'
    ) AS days (day)
),

held AS (
    SELECT
        series.day,
        series.workspace,
        series.test_id,
        series.severity,
        coalesce(sum(changes.passing) OVER running, 0)::bigint AS passing,
        coalesce(sum(changes.failing) OVER running, 0)::bigint AS failing,
        coalesce(sum(changes.pending) OVER running, 0)::bigint AS pending,
        coalesce(sum(changes.error) OVER running, 0)::bigint AS error,
        coalesce(sum(changes.not_applicable) OVER running, 0)::bigint AS not_applicable
    FROM series
    LEFT JOIN changes
        ON
            series.workspace = changes.workspace
            AND series.test_id = changes.test_id
            AND series.severity = changes.severity
            AND series.day = changes.day
    WINDOW running AS (
        PARTITION BY series.workspace, series.test_id, series.severity
        ORDER BY series.day
    )
)

SELECT
    held.day,
    held.workspace,
    held.test_id,
    held.severity,
    held.passing,
    held.failing,
    held.pending,
    held.error,
    held.not_applicable,
    compliance.score(held.passing, held.failing) AS score,
    (weights.weight * held.passing)::bigint AS weighted_passing,
    (weights.weight * (held.passing + held.failing))::bigint AS weighted_decided
FROM held
INNER JOIN compliance.severity_weights AS weights ON held.severity = weights.severity
WHERE held.passing + held.failing + held.pending + held.error + held.not_applicable > 0;
COMMENT ON VIEW compliance.daily_trend IS
'Day × workspace × test: how many subjects stood where at the end of the day (UTC; today: now), also on days without a run.';
COMMENT ON COLUMN compliance.daily_trend.day IS 'The day, in UTC.';
COMMENT ON COLUMN compliance.daily_trend.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.daily_trend.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.daily_trend.severity IS 'Severity at that time.';
COMMENT ON COLUMN compliance.daily_trend.passing IS 'Subjects passing.';
COMMENT ON COLUMN compliance.daily_trend.failing IS 'Subjects failing.';
COMMENT ON COLUMN compliance.daily_trend.pending IS 'Subjects that waited for something.';
COMMENT ON COLUMN compliance.daily_trend.error IS 'Subjects whose data could not be collected.';
COMMENT ON COLUMN compliance.daily_trend.not_applicable IS 'Subjects the test did not apply to.';
COMMENT ON COLUMN compliance.daily_trend.score IS 'Passing among passing and failing, in percent; null where nothing was decided.';
COMMENT ON COLUMN compliance.daily_trend.weighted_passing IS 'Passing times the severity''s weight: sum it over tests for the score of a workspace.';
COMMENT ON COLUMN compliance.daily_trend.weighted_decided IS 'Passing and failing times the weight: what weighted_passing is divided by.';

-- -------------------------------------------------------------------- findings

CREATE VIEW compliance.findings AS
WITH stretches AS (
    SELECT
        history.*,
        -- A finding goes on through pending and error, and ends where the subject passes or the test no longer applies.
        count(*) FILTER (WHERE history.status IN ('passing', 'not_applicable')) OVER (
            PARTITION BY history.workspace, history.test_id, history.subject_id
            ORDER BY history.valid_from
        ) AS stretch,
        lead(history.status) OVER (
            PARTITION BY history.workspace, history.test_id, history.subject_id
            ORDER BY history.valid_from
        ) AS next_status,
        lead(history.reason_code) OVER (
            PARTITION BY history.workspace, history.test_id, history.subject_id
            ORDER BY history.valid_from
        ) AS next_reason_code
    FROM compliance.result_history AS history
),

found AS (
    SELECT
        stretches.workspace,
        stretches.test_id,
        stretches.subject_type,
        stretches.subject_id,
        (array_agg(stretches.subject_name ORDER BY stretches.valid_from DESC))[1] AS subject_name,
        (array_agg(stretches.severity ORDER BY stretches.valid_from DESC))[1] AS severity,
        (array_agg(stretches.reason_code ORDER BY stretches.valid_from) FILTER (
            WHERE stretches.status = 'failing'
        ))[1] AS first_reason_code,
        (array_agg(stretches.policy_version ORDER BY stretches.valid_from DESC))[1] AS policy_version,
        min(stretches.valid_from) FILTER (WHERE stretches.status = 'failing') AS failing_since,
        CASE WHEN bool_and(stretches.valid_to IS NOT null) THEN max(stretches.valid_to) END AS ended_at,
        (array_agg(stretches.next_status ORDER BY stretches.valid_from DESC))[1] AS ended_as,
        (array_agg(stretches.next_reason_code ORDER BY stretches.valid_from DESC))[1] AS ended_reason_code,
        bool_or(stretches.exception_id IS NOT null) AS was_excepted
    FROM stretches
    WHERE stretches.status IN ('failing', 'pending', 'error')
    GROUP BY
        stretches.workspace,
        stretches.test_id,
        stretches.subject_type,
        stretches.subject_id,
        stretches.stretch
    HAVING bool_or(stretches.status = 'failing')
),

dated AS (
    SELECT
        found.*,
        found.failing_since + make_interval(
            days => (policies.body #>> ARRAY['thresholds', 'due_days_' || found.severity])::integer
        ) AS due_at
    FROM found
    INNER JOIN registry.policy_versions AS policies ON found.policy_version = policies.policy_version
)

SELECT
    dated.workspace,
    dated.test_id,
    dated.subject_type,
    dated.subject_id,
    dated.subject_name,
    dated.severity,
    dated.first_reason_code,
    dated.failing_since,
    dated.due_at,
    dated.ended_at,
    CASE WHEN dated.ended_at IS NOT null THEN dated.ended_as END AS ended_as,
    CASE WHEN dated.ended_at IS NOT null THEN dated.ended_reason_code END AS ended_reason_code,
    round(extract(EPOCH FROM coalesce(dated.ended_at, now()) - dated.failing_since) / 86400, 2) AS days_open,
    CASE
        WHEN dated.ended_as = 'passing' AND dated.ended_at IS NOT null
            THEN round(extract(EPOCH FROM dated.ended_at - dated.failing_since) / 86400, 2)
    END AS days_to_fix,
    coalesce(dated.ended_at, now()) > dated.due_at AS is_late,
    dated.was_excepted
FROM dated;
COMMENT ON VIEW compliance.findings IS
'One row for each stretch of time in which a subject failed a test, open or ended: what was found when, and how long it took.';
COMMENT ON COLUMN compliance.findings.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.findings.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.findings.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.findings.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.findings.subject_name IS 'Its newest name in that time.';
COMMENT ON COLUMN compliance.findings.severity IS 'Severity, the newest in that time.';
COMMENT ON COLUMN compliance.findings.first_reason_code IS 'Reason it was found for.';
COMMENT ON COLUMN compliance.findings.failing_since IS 'When it was found.';
COMMENT ON COLUMN compliance.findings.due_at IS 'When it had to be fixed under the policy.';
COMMENT ON COLUMN compliance.findings.ended_at IS 'When it ended; null: it is open.';
COMMENT ON COLUMN compliance.findings.ended_as IS 'passing: fixed; not_applicable: the subject left, was declared non-production, or the test was switched off.';
COMMENT ON COLUMN compliance.findings.ended_reason_code IS 'Reason code it ended with.';
COMMENT ON COLUMN compliance.findings.days_open IS 'Days from when it was found until it ended, or until now.';
COMMENT ON COLUMN compliance.findings.days_to_fix IS 'Days until it passed; null where it is open or ended otherwise.';
COMMENT ON COLUMN compliance.findings.is_late IS 'Whether it ended after due_at, or is open past it.';
COMMENT ON COLUMN compliance.findings.was_excepted IS 'Whether somebody accepted the risk for some of the time.';

CREATE VIEW compliance.open_findings AS
SELECT
    results.workspace,
    results.test_id,
    results.test_title,
    results.severity,
    results.subject_type,
    results.subject_id,
    results.subject_name,
    repositories.project_key,
    results.status,
    results.reason_code,
    results.reason,
    results.remediation,
    results.failing_since,
    results.due_at,
    floor(extract(EPOCH FROM now() - results.failing_since) / 86400)::integer AS age_days,
    CASE
        WHEN now() - results.failing_since < interval '7 days' THEN '0 to 6 days'
        WHEN now() - results.failing_since < interval '30 days' THEN '7 to 29 days'
        WHEN now() - results.failing_since < interval '90 days' THEN '30 to 89 days'
        ELSE '90 days and more'
    END AS age_group,
    results.due_at < now() AND results.exception_id IS null AS is_overdue,
    results.exception_id,
    results.is_stale
FROM compliance.current_results AS results
LEFT JOIN compliance.repositories AS repositories
    ON results.workspace = repositories.workspace AND results.subject_id = repositories.repository_id
WHERE results.failing_since IS NOT null;
COMMENT ON VIEW compliance.open_findings IS
'What fails now, also where it can''t be read at the moment (status pending or error), with its age.';
COMMENT ON COLUMN compliance.open_findings.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.open_findings.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.open_findings.test_title IS 'Title of the test.';
COMMENT ON COLUMN compliance.open_findings.severity IS 'Severity.';
COMMENT ON COLUMN compliance.open_findings.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.open_findings.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.open_findings.subject_name IS 'Name of the subject.';
COMMENT ON COLUMN compliance.open_findings.project_key IS 'Project of a repository; null for other subjects.';
COMMENT ON COLUMN compliance.open_findings.status IS 'failing, or pending or error where it can''t be told at the moment.';
COMMENT ON COLUMN compliance.open_findings.reason_code IS 'Stable code of the reason.';
COMMENT ON COLUMN compliance.open_findings.reason IS 'The reason as a sentence.';
COMMENT ON COLUMN compliance.open_findings.remediation IS 'What a person does next.';
COMMENT ON COLUMN compliance.open_findings.failing_since IS 'When it was found.';
COMMENT ON COLUMN compliance.open_findings.due_at IS 'When it has to be fixed.';
COMMENT ON COLUMN compliance.open_findings.age_days IS 'Whole days since it was found.';
COMMENT ON COLUMN compliance.open_findings.age_group IS 'Its age in groups, for charts.';
COMMENT ON COLUMN compliance.open_findings.is_overdue IS 'Past its due date, and nobody accepted the risk.';
COMMENT ON COLUMN compliance.open_findings.exception_id IS 'Accepted exception that covers it.';
COMMENT ON COLUMN compliance.open_findings.is_stale IS 'Whether the verdict is past its freshness, computed when read.';

CREATE VIEW compliance.undecided AS
SELECT
    results.workspace,
    results.test_id,
    results.status,
    results.reason_code,
    count(*) AS subjects,
    min(results.status_since) AS longest_since,
    min(codes.meaning) AS meaning,
    min(codes.remediation) AS remediation
FROM compliance.current_results AS results
LEFT JOIN compliance.reason_codes AS codes
    ON results.test_id = codes.test_id AND results.reason_code = codes.reason_code
WHERE results.status IN ('pending', 'error')
GROUP BY results.workspace, results.test_id, results.status, results.reason_code;
COMMENT ON VIEW compliance.undecided IS 'What could not be decided, why, and what would change that.';
COMMENT ON COLUMN compliance.undecided.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.undecided.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.undecided.status IS 'pending or error.';
COMMENT ON COLUMN compliance.undecided.reason_code IS 'Stable code of the reason.';
COMMENT ON COLUMN compliance.undecided.subjects IS 'How many subjects.';
COMMENT ON COLUMN compliance.undecided.longest_since IS 'Since when the longest of them.';
COMMENT ON COLUMN compliance.undecided.meaning IS 'What the reason code means.';
COMMENT ON COLUMN compliance.undecided.remediation IS 'What would change it.';

-- --------------------------------------------------------------- access review

ALTER TABLE staging.members
ADD COLUMN added_on timestamptz,
ADD COLUMN last_accessed timestamptz;
COMMENT ON COLUMN staging.members.added_on IS
'Of the membership; null where Bitbucket no longer tells: the workspace is administered on admin.atlassian.com.';
COMMENT ON COLUMN staging.members.last_accessed IS 'As added_on.';

ALTER TABLE compliance.members
ADD COLUMN added_on timestamptz,
ADD COLUMN last_accessed timestamptz,
-- A name is never enough, so who is named by it alone is looked at too.
ADD COLUMN needs_review boolean NOT NULL GENERATED ALWAYS AS (
    member_type IS DISTINCT FROM 'app_user' AND coalesce(matched_by, 'name') = 'name'
) STORED;
COMMENT ON COLUMN compliance.members.added_on IS
'When the member joined; null where Bitbucket does not tell, as for workspaces administered on admin.atlassian.com.';
COMMENT ON COLUMN compliance.members.last_accessed IS 'When the member was last seen in the workspace; null where Bitbucket does not tell.';
COMMENT ON COLUMN compliance.members.needs_review IS
'Whether a person should look at this account: no row of the roster names it by account id or address. Apps are no people.';

-- --------------------------------------------------------------------- indexes

CREATE INDEX result_history_by_start ON compliance.result_history (workspace, valid_from);

-- ---------------------------------------------------------------------- grants

-- What is made from here on is nobody's until it is granted, functions too.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM public;

-- A view is there to be read: some could be written through, to the tables of somebody else.
DO $views$
DECLARE
    view_name text;
BEGIN
    FOR view_name IN
        SELECT format('%I.%I', views.schemaname, views.viewname)
        FROM pg_views AS views
        WHERE
            views.schemaname IN ('landing', 'staging', 'judged', 'registry', 'quality', 'compliance')
            AND views.viewowner = current_user
    LOOP
        EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %s FROM compliance_pipeline, compliance_console', view_name);
    END LOOP;
END
$views$;

-- Records: added to, ended, never taken back.
REVOKE DELETE ON compliance.result_history, integration.runs FROM compliance_pipeline;
REVOKE UPDATE, DELETE ON registry.policy_versions FROM compliance_pipeline;
REVOKE INSERT ON registry.policy_versions FROM compliance_console;
-- Migrations alone move the schema.
REVOKE INSERT, UPDATE, DELETE ON TABLE integration.schema_version FROM compliance_pipeline;

-- Whether and until when somebody is employed is for the pipeline to judge by and for the people reader to see.
REVOKE SELECT ON registry.people, registry.roster FROM compliance_console;
GRANT SELECT (import_id, line, email, name, account_id) ON registry.people TO compliance_console;

GRANT EXECUTE ON FUNCTION compliance.results_as_of(timestamptz) TO compliance_console;

REVOKE EXECUTE ON FUNCTION compliance.score(numeric, numeric) FROM public;
GRANT EXECUTE ON FUNCTION compliance.score(numeric, numeric)
TO compliance_pipeline, compliance_console, compliance_reader;
GRANT SELECT ON
compliance.severity_weights,
compliance.workspace_score,
compliance.daily_trend,
compliance.findings,
compliance.open_findings,
compliance.undecided
TO compliance_pipeline, compliance_console, compliance_reader;
