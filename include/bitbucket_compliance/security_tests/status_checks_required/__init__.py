"""Merging of code changes should require passing status-checks."""

from bitbucket_compliance.policy.model import Count, Threshold, Weaker
from bitbucket_compliance.security_tests.frameworks import (
    CIS_SSC,
    ISO_27001,
    OSPS,
    PCI_DSS,
    SOC_2,
    SP_800_53,
    SSDF,
    controls,
    supporting,
)
from bitbucket_compliance.security_tests.model import MergeRule, Reason, SecurityTest
from bitbucket_compliance.security_tests.reasons import (
    EVIDENCE_ACCEPTED,
    MERGES_UNDECIDED,
    OF_MAIN_BRANCHES,
    TOO_FEW_MERGES,
    advisory_only,
    no_matching_rule,
    restriction,
    rule_enforced,
    rule_in_effect,
)

RULES = (
    restriction("require_passing_builds_to_merge", value="{min_passing_builds}"),
    restriction("enforce_merge_checks"),
)

TEST = SecurityTest(
    test_id="status_checks_required",
    title="Merging of code changes should require passing status-checks",
    severity="high",
    subject_type="repository",
    order=4,
    description="Nothing is merged into the main branch without passing builds.",
    rationale="A change that breaks the build, or was never built, should not reach the main branch.",
    how_decided=(
        (
            "Decides by configuration: a rule on the main branch with `require_passing_builds_to_merge` of at least "
            "`min_passing_builds`, together with `enforce_merge_checks`. Without the second Bitbucket only warns, "
            "and the verdict is failing, `advisory_only`. Where the repository's own rules can't be read, or ask for "
            "less, the merge checks of the newest open pull request into the main branch decide: they show what "
            "applies, inherited rules too (`rule_in_effect`). The merge checks that were seen last decide for "
            "`merge_checks_valid_days`, unless the repository's own rules changed since."
        ),
        (
            "Decides by behaviour: of the newest `behaviour_sample` pull requests merged into the main branch in "
            "`behaviour_window_days`, each needs at least `min_passing_builds` builds, all of them SUCCESSFUL. Of each "
            "build key the newest status that was created before the merge counts. A single merge that breaks this "
            "fails, however few merges there are; without one the repository passes from `behaviour_min_sample` merges "
            "on. While a build is in progress its pull request is left out, for two days after the merge at most; then "
            "the build counts as not SUCCESSFUL."
        ),
        (
            "The time of a merge is the pull request's `updated_on` of the first reading that shows it as merged; "
            "later changes don't move it. For a pull request that was created before the window, the time of the merge "
            "is looked up once, if the verdict depends on it; merged before the window, it does not count. Merges into "
            "a branch that was the main branch at that time count like any other."
        ),
    ),
    bases={
        "configuration": ("branch_restrictions", "effective_branching_model"),
        "behaviour": ("pull_requests", "pull_request_statuses", "pull_request_activity"),
    },
    also_reads=("merge_checks", "main_branch_ref"),
    merge_rule=MergeRule(
        kinds=("require_passing_builds_to_merge",),
        checks="minimum_successful_builds",
        at_least="min_passing_builds",
    ),
    reasons={
        "evidence_accepted": EVIDENCE_ACCEPTED,
        "rule_enforced": rule_enforced("passing builds"),
        "rule_in_effect": rule_in_effect("passing builds"),
        "merges_had_passing_builds": Reason(
            "passing",
            "behaviour",
            "The rules can't be read; every sampled merge into the main branch had passing builds.",
        ),
        "advisory_only": advisory_only("passing builds"),
        "no_matching_rule": no_matching_rule("passing builds", "successful builds", RULES),
        "merged_without_passing_build": Reason(
            "failing",
            "behaviour",
            "The rules can't be read; a sampled merge into the main branch had no passing build.",
            "Look at the pull requests named in the reason. Then require passing builds for the main branch and "
            "prevent merges with unresolved checks (Repository settings → Branch restrictions → Merge checks).",
            RULES,
        ),
        "merges_undecided": MERGES_UNDECIDED,
        "too_few_merges": TOO_FEW_MERGES,
        **OF_MAIN_BRANCHES,
    },
    controls=(
        *supporting(SOC_2, **{"CC8.1": "asks for the whole of change management; tests before a merge are a part"}),
        *supporting(
            ISO_27001,
            **{
                "A.8.25": "asks for rules of the whole life cycle",
                "A.8.29": "asks for security testing; what a build checks is the team's choice",
                "A.8.32": "asks for the whole of change management; tests before a merge are a part",
            },
        ),
        *controls(CIS_SSC, "1.1.9"),
        *controls(OSPS, "OSPS-QA-03"),
        *supporting(
            SSDF, **{"PO.4.1": "asks for criteria of security checks; a required build is one that is enforced"}
        ),
        *supporting(
            SP_800_53,
            **{
                "CM-3": "asks for the whole of change control; tests before a merge are a part",
                "SA-11": "asks for a plan of tests and their results; that builds must pass is a part",
            },
        ),
        *supporting(PCI_DSS, **{"6.5.1": "asks for documented procedures; tests before a merge are a part"}),
    ),
    cannot_see=(
        "Rules inherited from the project, while no pull request is open: no listing shows them; evidence about the "
        "project can.",
        "What a build checks: a status is as good as the system that set it.",
        "Commits pushed to the main branch without a pull request. The detail names those that webhooks told of, and "
        "says whether such pushes are possible.",
    ),
    events=("repo:push",),
    thresholds=(
        "min_passing_builds",
        "behaviour_window_days",
        "behaviour_sample",
        "behaviour_min_sample",
        "merge_checks_valid_days",
        "evidence_validity_days",
        "time_zone",
        "max_data_age_hours",
    ),
    own_thresholds=(
        Threshold(
            "min_passing_builds", 1, "Number of passing builds that a merge must have.", Count, Weaker.WHEN_LOWER
        ),
    ),
)
