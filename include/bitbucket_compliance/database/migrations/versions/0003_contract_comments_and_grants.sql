-- Purpose: what every published column means, and who may read or write which schema.

COMMENT ON COLUMN compliance.tests.test_id IS 'Stable id of the test.';
COMMENT ON COLUMN compliance.tests.test_title IS 'Title shown to people.';
COMMENT ON COLUMN compliance.tests.severity IS 'critical, high or medium, as the policy says.';
COMMENT ON COLUMN compliance.tests.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.tests.manual IS 'Whether the test rests on evidence that people upload.';
COMMENT ON COLUMN compliance.tests.enabled IS 'Whether the policy of the newest publication asks for it.';
COMMENT ON COLUMN compliance.tests.display_order IS 'Order in listings.';
COMMENT ON COLUMN compliance.tests.description IS 'What the test asks.';

COMMENT ON COLUMN compliance.current_results.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.current_results.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.current_results.test_title IS 'Title of the test.';
COMMENT ON COLUMN compliance.current_results.severity IS 'Severity under the policy named by policy_version.';
COMMENT ON COLUMN compliance.current_results.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.current_results.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.current_results.subject_name IS 'Slug, display name or workspace slug, exactly as Bitbucket gives it.';
COMMENT ON COLUMN compliance.current_results.status IS 'passing, failing, pending, error or not_applicable.';
COMMENT ON COLUMN compliance.current_results.basis IS 'What decided: configuration, behaviour, evidence, registry; null where nothing could.';
COMMENT ON COLUMN compliance.current_results.reason_code IS 'Stable code of the reason.';
COMMENT ON COLUMN compliance.current_results.reason IS 'The reason as a sentence.';
COMMENT ON COLUMN compliance.current_results.remediation IS 'What a person does next; null where there is nothing to do.';
COMMENT ON COLUMN compliance.current_results.detail IS 'Facts behind the verdict and context (jsonb).';
COMMENT ON COLUMN compliance.current_results.first_seen_at IS 'When this subject was first judged by this test.';
COMMENT ON COLUMN compliance.current_results.status_since IS 'Since when the status has been this one.';
COMMENT ON COLUMN compliance.current_results.failing_since IS 'Since when the subject fails; survives pending and error, null once it passes.';
COMMENT ON COLUMN compliance.current_results.due_at IS 'When the failure has to be fixed under the policy.';
COMMENT ON COLUMN compliance.current_results.exception_id IS 'Accepted exception that covers this failure.';
COMMENT ON COLUMN compliance.current_results.data_as_of IS 'When the data that decided was read.';
COMMENT ON COLUMN compliance.current_results.fresh_until IS 'Until when the verdict may be relied on.';
COMMENT ON COLUMN compliance.current_results.is_stale IS 'Whether fresh_until lies in the past, computed when read.';
COMMENT ON COLUMN compliance.current_results.evaluated_at IS 'When the verdict was reached.';
COMMENT ON COLUMN compliance.current_results.run_id IS 'Run that reached it; see runs.';
COMMENT ON COLUMN compliance.current_results.policy_version IS 'Policy under which it was reached.';
COMMENT ON COLUMN compliance.current_results.facts_hash IS 'Hash of the facts that decided, and of nothing else.';

COMMENT ON COLUMN compliance.results.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.results.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.results.test_title IS 'Title of the test.';
COMMENT ON COLUMN compliance.results.severity IS 'Severity under the policy named by policy_version.';
COMMENT ON COLUMN compliance.results.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.results.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.results.subject_name IS 'Slug, display name or workspace slug, exactly as Bitbucket gives it.';
COMMENT ON COLUMN compliance.results.status IS 'passing, failing, pending, error or not_applicable.';
COMMENT ON COLUMN compliance.results.basis IS 'What decided: configuration, behaviour, evidence, registry; null where nothing could.';
COMMENT ON COLUMN compliance.results.reason_code IS 'Stable code of the reason.';
COMMENT ON COLUMN compliance.results.reason IS 'The reason as a sentence.';
COMMENT ON COLUMN compliance.results.remediation IS 'What a person does next; null where there is nothing to do.';
COMMENT ON COLUMN compliance.results.detail IS 'Facts behind the verdict and context (jsonb).';
COMMENT ON COLUMN compliance.results.first_seen_at IS 'When this subject was first judged by this test.';
COMMENT ON COLUMN compliance.results.status_since IS 'Since when the status has been this one.';
COMMENT ON COLUMN compliance.results.failing_since IS 'Since when the subject fails; survives pending and error, null once it passes.';
COMMENT ON COLUMN compliance.results.due_at IS 'When the failure has to be fixed under the policy.';
COMMENT ON COLUMN compliance.results.exception_id IS 'Accepted exception that covers this failure.';
COMMENT ON COLUMN compliance.results.data_as_of IS 'When the data that decided was read.';
COMMENT ON COLUMN compliance.results.fresh_until IS 'Until when the verdict may be relied on.';
COMMENT ON COLUMN compliance.results.evaluated_at IS 'When the verdict was reached.';
COMMENT ON COLUMN compliance.results.run_id IS 'Run that reached it; see runs.';
COMMENT ON COLUMN compliance.results.policy_version IS 'Policy under which it was reached.';
COMMENT ON COLUMN compliance.results.facts_hash IS 'Hash of the facts that decided, and of nothing else.';

COMMENT ON COLUMN compliance.result_history.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.result_history.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.result_history.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.result_history.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.result_history.subject_name IS 'Name at the start of the interval.';
COMMENT ON COLUMN compliance.result_history.severity IS 'Severity at the start of the interval.';
COMMENT ON COLUMN compliance.result_history.status IS 'passing, failing, pending, error or not_applicable.';
COMMENT ON COLUMN compliance.result_history.basis IS 'What decided.';
COMMENT ON COLUMN compliance.result_history.reason_code IS 'Stable code of the reason; removed_or_invisible and test_disabled mark the time after a subject or a test left.';
COMMENT ON COLUMN compliance.result_history.reason IS 'The reason as a sentence.';
COMMENT ON COLUMN compliance.result_history.detail IS 'Facts behind the verdict and context (jsonb), at the start of the interval.';
COMMENT ON COLUMN compliance.result_history.facts_hash IS 'Hash of the facts that decided.';
COMMENT ON COLUMN compliance.result_history.exception_id IS 'Accepted exception.';
COMMENT ON COLUMN compliance.result_history.policy_version IS 'Policy under which it was reached.';
COMMENT ON COLUMN compliance.result_history.run_id IS 'Run that opened the interval.';
COMMENT ON COLUMN compliance.result_history.valid_from IS 'From when it held (inclusive).';
COMMENT ON COLUMN compliance.result_history.valid_to IS 'Until when it held (exclusive); null: it still holds.';

COMMENT ON COLUMN compliance.repositories.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.repositories.repository_id IS 'Bitbucket''s uuid with braces.';
COMMENT ON COLUMN compliance.repositories.slug IS 'Slug.';
COMMENT ON COLUMN compliance.repositories.name IS 'Name, exactly as Bitbucket gives it.';
COMMENT ON COLUMN compliance.repositories.project_key IS 'Key of the project.';
COMMENT ON COLUMN compliance.repositories.visibility IS 'public or private.';
COMMENT ON COLUMN compliance.repositories.language IS 'Language declared in Bitbucket.';
COMMENT ON COLUMN compliance.repositories.default_branch IS 'Main branch; null where there is none.';
COMMENT ON COLUMN compliance.repositories.open_pull_requests IS 'Open pull requests.';
COMMENT ON COLUMN compliance.repositories.required_approvals IS 'Largest number of approvals a rule on the default branch asks for; 0: none.';
COMMENT ON COLUMN compliance.repositories.required_builds IS 'Number of passing builds a rule on the default branch asks for; 0: none.';
COMMENT ON COLUMN compliance.repositories.merge_checks_enforced IS 'Whether unmet checks block a merge into the default branch (Premium).';
COMMENT ON COLUMN compliance.repositories.push_restricted IS 'Whether pushing to the default branch is restricted.';
COMMENT ON COLUMN compliance.repositories.force_push_prevented IS 'Whether rewriting the default branch is prevented.';
COMMENT ON COLUMN compliance.repositories.deletion_prevented IS 'Whether deleting the default branch is prevented.';
COMMENT ON COLUMN compliance.repositories.pipelines_enabled IS 'Whether Pipelines is switched on.';
COMMENT ON COLUMN compliance.repositories.last_pipeline_state IS 'Result of the newest pipeline, or its state while it runs.';
COMMENT ON COLUMN compliance.repositories.last_pipeline_at IS 'When the newest pipeline was created.';
COMMENT ON COLUMN compliance.repositories.classification IS 'production or non_production, as declared.';
COMMENT ON COLUMN compliance.repositories.sensitivity IS 'public, internal, confidential or restricted, as declared.';
COMMENT ON COLUMN compliance.repositories.owner IS 'Owner as declared.';
COMMENT ON COLUMN compliance.repositories.updated_on IS 'When Bitbucket says it was last updated.';
COMMENT ON COLUMN compliance.repositories.data_as_of IS 'When the repository was last read.';

COMMENT ON COLUMN compliance.members.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.members.member_id IS 'Bitbucket''s uuid with braces.';
COMMENT ON COLUMN compliance.members.account_id IS 'Atlassian account id.';
COMMENT ON COLUMN compliance.members.display_name IS 'Display name, exactly as Bitbucket gives it.';
COMMENT ON COLUMN compliance.members.nickname IS 'Nickname.';
COMMENT ON COLUMN compliance.members.member_type IS 'user, or app_user for apps.';
COMMENT ON COLUMN compliance.members.role IS 'owner or member; null where it could not be read.';
COMMENT ON COLUMN compliance.members.matched_by IS 'How the roster names this member: account_id, email or name (a name is never enough); null: it does not.';
COMMENT ON COLUMN compliance.members.repositories_reachable IS 'Repositories the member can reach; null: not read.';
COMMENT ON COLUMN compliance.members.data_as_of IS 'When the member was last read.';

COMMENT ON COLUMN compliance.member_employment.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.member_employment.member_id IS 'Bitbucket''s uuid with braces.';
COMMENT ON COLUMN compliance.member_employment.hr_status IS 'Status on the roster: active, on_leave or terminated.';
COMMENT ON COLUMN compliance.member_employment.hr_end_date IS 'Last working day on the roster.';

COMMENT ON COLUMN compliance.runs.run_id IS 'Airflow''s run id.';
COMMENT ON COLUMN compliance.runs.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.runs.status IS 'running, published, gate_failed, failed or superseded.';
COMMENT ON COLUMN compliance.runs.quality IS 'passed, passed_with_warnings or failed.';
COMMENT ON COLUMN compliance.runs.started_at IS 'Start of the run.';
COMMENT ON COLUMN compliance.runs.finished_at IS 'End of the run.';
COMMENT ON COLUMN compliance.runs.repositories IS 'Repositories listed.';
COMMENT ON COLUMN compliance.runs.requests_spent IS 'API requests sent, retries included.';
COMMENT ON COLUMN compliance.runs.requests_per_repository IS 'requests_spent divided by repositories.';
COMMENT ON COLUMN compliance.runs.coverage IS 'Calls per resource and outcome (jsonb).';
COMMENT ON COLUMN compliance.runs.scopes_granted IS 'Scopes of the token, implied ones included; null: Bitbucket did not tell.';
COMMENT ON COLUMN compliance.runs.policy_version IS 'Policy of the run.';
COMMENT ON COLUMN compliance.runs.full_refresh IS 'Whether everything was asked for again.';
COMMENT ON COLUMN compliance.runs.error IS 'One line on why the run ended without publishing.';

COMMENT ON COLUMN compliance.test_summary.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.test_summary.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.test_summary.test_title IS 'Title of the test.';
COMMENT ON COLUMN compliance.test_summary.severity IS 'Severity.';
COMMENT ON COLUMN compliance.test_summary.enabled IS 'Whether the policy asks for it.';
COMMENT ON COLUMN compliance.test_summary.status IS 'Worst status among the subjects; not_run where the test is switched off.';
COMMENT ON COLUMN compliance.test_summary.passing IS 'Subjects passing.';
COMMENT ON COLUMN compliance.test_summary.failing IS 'Subjects failing.';
COMMENT ON COLUMN compliance.test_summary.pending IS 'Subjects pending.';
COMMENT ON COLUMN compliance.test_summary.error IS 'Subjects that could not be read in the last run.';
COMMENT ON COLUMN compliance.test_summary.not_applicable IS 'Subjects the test does not apply to.';
COMMENT ON COLUMN compliance.test_summary.stale IS 'Subjects whose verdict is past its freshness.';
COMMENT ON COLUMN compliance.test_summary.display_order IS 'Order in listings.';

COMMENT ON COLUMN compliance.evidence.evidence_id IS 'Id of the evidence.';
COMMENT ON COLUMN compliance.evidence.test_id IS 'Test it supports.';
COMMENT ON COLUMN compliance.evidence.scope IS 'workspace, project, repository or members.';
COMMENT ON COLUMN compliance.evidence.workspace IS 'Workspace slug; null: any.';
COMMENT ON COLUMN compliance.evidence.kind IS 'mfa_export or screenshot.';
COMMENT ON COLUMN compliance.evidence.captured_on IS 'Day of capture; validity counts from it.';
COMMENT ON COLUMN compliance.evidence.status IS 'submitted, accepted, rejected or withdrawn.';
COMMENT ON COLUMN compliance.evidence.submitted_by IS 'Who submitted it.';
COMMENT ON COLUMN compliance.evidence.submitted_at IS 'When.';
COMMENT ON COLUMN compliance.evidence.decided_by IS 'Who accepted or rejected it.';
COMMENT ON COLUMN compliance.evidence.decided_at IS 'When.';
COMMENT ON COLUMN compliance.evidence.file_name IS 'Name of the file as given.';
COMMENT ON COLUMN compliance.evidence.file_sha256 IS 'SHA-256 of the file.';

REVOKE ALL ON SCHEMA landing, staging, judged, registry, integration, quality, compliance FROM public;
REVOKE EXECUTE ON FUNCTION staging.glob_matches(text, text) FROM public;
REVOKE EXECUTE ON FUNCTION staging.refresh_statistics(text) FROM public;
REVOKE EXECUTE ON FUNCTION compliance.results_as_of(timestamptz) FROM public;

GRANT USAGE ON SCHEMA landing, staging, judged, registry, integration, quality, compliance TO compliance_pipeline;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA landing, staging, judged, integration, quality, compliance
TO compliance_pipeline;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA registry TO compliance_pipeline;
GRANT UPDATE, DELETE ON registry.policy_versions TO compliance_pipeline;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA registry TO compliance_pipeline;
GRANT EXECUTE ON FUNCTION staging.glob_matches(text, text) TO compliance_pipeline;
GRANT EXECUTE ON FUNCTION staging.refresh_statistics(text) TO compliance_pipeline;
GRANT EXECUTE ON FUNCTION compliance.results_as_of(timestamptz) TO compliance_pipeline;

GRANT USAGE ON SCHEMA registry, compliance TO compliance_console;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA registry TO compliance_console;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA registry TO compliance_console;
GRANT SELECT ON ALL TABLES IN SCHEMA compliance TO compliance_console;
REVOKE SELECT ON compliance.member_employment FROM compliance_console;

GRANT USAGE ON SCHEMA compliance TO compliance_reader, compliance_people_reader;
GRANT SELECT ON
compliance.current_results,
compliance.result_history,
compliance.repositories,
compliance.members,
compliance.runs,
compliance.test_summary,
compliance.tests,
compliance.evidence
TO compliance_reader;
GRANT EXECUTE ON FUNCTION compliance.results_as_of(timestamptz) TO compliance_reader;
GRANT SELECT ON compliance.member_employment TO compliance_people_reader;
