"""Code changes should be reviewed by peers before merging."""

from typing import Annotated, Literal

from pydantic import Field

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

RULES = (restriction("require_approvals_to_merge", value="{min_approvals}"), restriction("enforce_merge_checks"))

TEST = SecurityTest(
    test_id="peer_review_required",
    title="Code changes should be reviewed by peers before merging",
    severity="high",
    subject_type="repository",
    order=5,
    description="Nothing is merged into the main branch without the approval of somebody other than its author.",
    rationale="Nobody should be able to bring a change into the main branch alone.",
    how_decided=(
        (
            "Decides by configuration: a rule on the main branch that requires at least `min_approvals` approvals (of "
            "anybody, of default reviewers, or of a review group), together with `enforce_merge_checks`. Without the "
            "second Bitbucket only warns, and the verdict is failing, `advisory_only`. Where the repository's own "
            "rules can't be read, or ask for less, the merge checks of the newest open pull request into the main "
            "branch decide: they show what applies, inherited rules too (`rule_in_effect`). The merge checks that were "
            "seen last decide for `merge_checks_valid_days`, unless the repository's own rules changed since. A rule "
            "that only default reviewers can satisfy does not count where there are none, or where `not_peers` names "
            "all of them (`no_default_reviewers`)."
        ),
        (
            "A merge without enough approvals went around the rule when the rule had been seen in force before the "
            "merge, and in every run since: failing, `enforced_but_bypassed`. Earlier merges are named in `detail`."
        ),
        (
            "Decides by behaviour: every pull request merged into the main branch in the window has approvals of "
            "`min_approvals` persons other than its author and the accounts in `not_peers`. A single merge without "
            "them fails, however few merges there are; without such a merge the repository passes from "
            "`behaviour_min_sample` merges on. Whether an approval of an account that was deleted since counts can't "
            "be known: where a merge depends on one, the verdict is pending, `merges_undecided`."
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
        "behaviour": ("pull_requests", "pull_request_activity"),
    },
    also_reads=("merge_checks", "default_reviewers", "main_branch_ref"),
    merge_rule=MergeRule(
        kinds=(
            "require_approvals_to_merge",
            "require_default_reviewer_approvals_to_merge",
            "require_review_group_approvals_to_merge",
        ),
        # others may come: of review groups no source gives the name
        checks=r"minimum_(\w+_)?approvals",
        at_least="min_approvals",
        by_default_reviewers=("require_default_reviewer_approvals_to_merge", "minimum_default_reviewer_approvals"),
    ),
    reasons={
        "evidence_accepted": EVIDENCE_ACCEPTED,
        "rule_enforced": rule_enforced("approvals"),
        "rule_in_effect": rule_in_effect("approvals"),
        "merges_had_peer_approval": Reason(
            "passing",
            "behaviour",
            "The rules can't be read; every merge into the main branch in the window had a peer's approval.",
        ),
        "advisory_only": advisory_only("approvals"),
        "no_matching_rule": no_matching_rule("approvals", "approvals", RULES),
        "no_default_reviewers": Reason(
            "pending",
            None,
            "Rules require approvals of default reviewers, and the repository has no default reviewer whose approval "
            "counts.",
            "Add default reviewers (Repository settings → Default reviewers), or require approvals of anybody.",
        ),
        "enforced_but_bypassed": Reason(
            "failing",
            "behaviour",
            "A rule requires approvals and is enforced, but a merge went around it since.",
            "Find out how the pull requests named in the reason could be merged (an administrator may have switched "
            "the rule off for a moment), and review them after the fact.",
        ),
        "merged_without_peer_approval": Reason(
            "failing",
            "behaviour",
            "The rules can't be read; a merge into the main branch in the window had no peer's approval.",
            "Review the pull requests named in the reason after the fact. Then require approvals for the main "
            "branch and prevent merges with unresolved checks (Repository settings → Branch restrictions → Merge "
            "checks).",
            RULES,
        ),
        "merges_undecided": MERGES_UNDECIDED,
        "pushed_past_pull_requests": Reason(
            "failing",
            "behaviour",
            "A person pushed to the main branch in the window without a pull request, and the policy counts that as a "
            "failure.",
            "Look at what was pushed; the reason names the newest. Then restrict who may push to the main branch "
            "(Repository settings → Branch restrictions).",
            (restriction("push", users=[], groups=[]),),
        ),
        "too_few_merges": TOO_FEW_MERGES,
        **OF_MAIN_BRANCHES,
    },
    controls=(
        *supporting(SOC_2, **{"CC8.1": "asks for the whole of change management; approval by a peer is a part"}),
        *supporting(
            ISO_27001,
            **{
                "A.5.3": "asks for every conflicting duty; author and approver of a change are one pair",
                "A.8.28": "asks for principles of secure coding; a review is where they can be looked at",
                "A.8.32": "asks for the whole of change management; approval by a peer is a part",
            },
        ),
        *supporting(CIS_SSC, **{"1.1.3": "asks for two approvers; thresholds.min_approvals is 1 by default"}),
        *controls(OSPS, "OSPS-QA-07"),
        *supporting(
            SSDF, **{"PW.7": "asks for reviews that look for vulnerabilities; how thorough one was is not seen"}
        ),
        *supporting(
            SP_800_53,
            **{
                "AC-5": "asks for every conflicting duty; author and approver of a change are one pair",
                "CM-3": "asks for the whole of change control; approval by a peer is a part",
                "SA-11(4)": "asks for reviews by stated methods; how thorough one was is not seen",
            },
        ),
        *supporting(PCI_DSS, **{"6.2.3.1": "asks for reviewers who know secure coding, and for management's approval"}),
    ),
    cannot_see=(
        "Rules inherited from the project, while no pull request is open: no listing shows them; evidence about the "
        "project can.",
        "How thorough a review was, and whether the approval came before the last commit.",
        "Commits pushed to the main branch without a pull request, unless a webhook told of them. The detail says "
        "whether such pushes are possible.",
    ),
    events=("repo:push",),
    thresholds=(
        "min_approvals",
        "not_peers",
        "direct_pushes",
        "behaviour_window_days",
        "behaviour_min_sample",
        "merge_checks_valid_days",
        "evidence_validity_days",
        "time_zone",
        "max_data_age_hours",
    ),
    own_thresholds=(
        Threshold("min_approvals", 1, "Number of peers who must approve before a merge.", Count, Weaker.WHEN_LOWER),
        Threshold(
            "not_peers",
            [],
            "Accounts whose approvals do not count, such as bots that approve: account ids, uuids or nicknames, also "
            "those of former members, and former nicknames.",
            list[Annotated[str, Field(min_length=1)]],
            Weaker.WHEN_ONE_IS_MISSING,
        ),
        Threshold(
            "direct_pushes",
            "report",
            "Whether a push by a person to the main branch without a pull request is only reported (report) or fails "
            "the test (fail).",
            Literal["report", "fail"],
            Weaker.WHEN_ONLY_REPORTED,
        ),
    ),
)
