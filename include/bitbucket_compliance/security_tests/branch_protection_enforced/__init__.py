"""Branch Protection rules should be enforced."""

from typing import Annotated

from pydantic import AfterValidator, Field

from bitbucket_compliance.policy.model import Threshold, Weaker
from bitbucket_compliance.security_tests.frameworks import CIS_SSC, ISO_27001, OSPS, SOC_2, SSDF, controls
from bitbucket_compliance.security_tests.model import Reason, SecurityTest
from bitbucket_compliance.security_tests.reasons import EVIDENCE_ACCEPTED, OF_MAIN_BRANCHES, restriction
from bitbucket_compliance.security_tests.restriction_kinds import known_kinds

TEST = SecurityTest(
    test_id="branch_protection_enforced",
    title="Branch Protection rules should be enforced",
    severity="high",
    subject_type="repository",
    order=6,
    description="The main branch can't be pushed to freely, rewritten or deleted.",
    rationale=(
        "History that can be rewritten, and a main branch that can be deleted or pushed to past every check, prove "
        "nothing."
    ),
    how_decided=(
        "Decides by configuration alone: a restriction of each kind in `required_protections` (`push`, `force`, "
        "`delete`) applies to the main branch. There is no behaviour to judge by: that nobody rewrote history yet "
        "does not show that nobody can. Where the rules can't be read and no evidence stands for them, it is "
        "pending. `detail` lists who is exempt from the push restriction.",
    ),
    bases={"configuration": ("branch_restrictions", "effective_branching_model")},
    also_reads=("main_branch_ref",),
    reasons={
        "evidence_accepted": EVIDENCE_ACCEPTED,
        "protections_in_place": Reason(
            "passing", "configuration", "Restrictions of every required kind apply to the main branch."
        ),
        "missing_protection": Reason(
            "failing",
            "configuration",
            "At least one required restriction does not apply to the main branch; the reason names which.",
            "Open Repository settings → Branch restrictions and add, for the main branch, those named in the "
            "reason: who may push (push), prevent rewriting history (force), prevent deletion (delete). Where the"
            " project has such a rule, submit evidence about the project.",
            (restriction("push", users=[], groups=[]), restriction("force"), restriction("delete")),
        ),
        **OF_MAIN_BRANCHES,
    },
    controls=(
        *controls(SOC_2, "CC8.1", "CC6.1"),
        *controls(ISO_27001, "A.8.4", "A.8.32"),
        *controls(CIS_SSC, "1.1.15", "1.1.16", "1.1.17"),
        *controls(OSPS, "OSPS-AC-03"),
        *controls(SSDF, "PO.3.2", "PS.1"),
    ),
    cannot_see=(
        "Rules that a project hands down: no public endpoint shows them; evidence about the project can.",
        "Whether those exempt from the push restriction ought to be; they are listed in the detail.",
    ),
    thresholds=("required_protections", "evidence_validity_days", "time_zone", "max_data_age_hours"),
    own_thresholds=(
        Threshold(
            "required_protections",
            ["push", "force", "delete"],
            "Kinds of branch restrictions that must apply to the main branch.",
            Annotated[list[str], Field(min_length=1), AfterValidator(known_kinds)],
            Weaker.WHEN_ONE_IS_MISSING,
        ),
    ),
)
