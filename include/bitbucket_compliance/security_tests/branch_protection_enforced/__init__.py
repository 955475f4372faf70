"""Branch Protection rules should be enforced."""

from typing import Annotated

from pydantic import AfterValidator, Field

from bitbucket_compliance.policy.model import Threshold, Weaker
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
from bitbucket_compliance.security_tests.model import Reason, SecurityTest
from bitbucket_compliance.security_tests.reasons import EVIDENCE_ACCEPTED, OF_MAIN_BRANCHES, restriction
from bitbucket_compliance.security_tests.restriction_kinds import known_kinds

MostExempt = Annotated[int, Field(ge=0, le=10_000)] | None

TEST = SecurityTest(
    test_id="branch_protection_enforced",
    title="Branch Protection rules should be enforced",
    severity="high",
    subject_type="repository",
    order=6,
    description="The main branch can't be pushed to freely, rewritten or deleted.",
    rationale=(
        "A main branch whose history can be rewritten, or that can be deleted or pushed to past every check, proves "
        "nothing about what was reviewed and built."
    ),
    how_decided=(
        "Decides by configuration: passing if a restriction of each kind in `required_protections` (`push`, `force`, "
        "`delete`) applies to the main branch. Where the rules can't be read and no accepted evidence stands for them, "
        "the verdict is pending. The reason and `detail` name who is exempt from the push restrictions. More exempt "
        "users than `max_push_exempt_users`, or groups than `max_push_exempt_groups`, is failing (`too_many_exempt`) "
        "where the policy sets these limits.",
        "Behaviour can only make it fail: if a webhook told of a forced push to the main branch in the window, or of "
        "its removal, the verdict is failing (`history_rewritten`), even where the configuration passes. That no "
        "webhook told of one does not show that nobody can do it.",
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
            "reason: who may push (push), prevent rewriting history (force), prevent deletion (delete). If the "
            "project has such a rule, submit evidence about the project.",
            (restriction("push", users=[], groups=[]), restriction("force"), restriction("delete")),
        ),
        "too_many_exempt": Reason(
            "failing",
            "configuration",
            "More users or groups are exempt from the push restrictions of the main branch than the policy allows.",
            "Open Repository settings → Branch restrictions and remove from the main branch's rule everybody who need "
            "not push to it. Or raise thresholds.max_push_exempt_users or max_push_exempt_groups in the policy.",
        ),
        "history_rewritten": Reason(
            "failing",
            "behaviour",
            "A webhook told of a forced push to the main branch in the window, or of its removal.",
            "Find out who rewrote the branch and why; the detail of the repository's pushes names the commits. Then "
            "prevent rewriting history and deletion for the main branch (Repository settings → Branch restrictions).",
            (restriction("force"), restriction("delete")),
        ),
        **OF_MAIN_BRANCHES,
    },
    controls=(
        *supporting(
            SOC_2,
            **{
                "CC6.1": "asks for the whole of logical access; who may push to the main branch is a part",
                "CC8.1": "asks for the whole of change management; that nothing goes around it is a part",
            },
        ),
        *supporting(
            ISO_27001,
            **{
                "A.8.4": "asks for reading access too",
                "A.8.32": "asks for the whole of change management; that nothing goes around it is a part",
            },
        ),
        *controls(CIS_SSC, "1.1.15", "1.1.16", "1.1.17"),
        *controls(OSPS, "OSPS-AC-03"),
        *supporting(
            SSDF,
            **{
                "PO.3.2": "asks for hardened toolchains; rules of the main branch are a part",
                "PS.1": "asks for code that is protected in every form; the main branch is one",
            },
        ),
        *supporting(
            SP_800_53,
            **{
                "CM-3": "asks for the whole of change control; that nothing goes around it is a part",
                "CM-5": "asks for physical and logical restrictions of changes; those of the main branch are a part",
            },
        ),
        *supporting(PCI_DSS, **{"6.5.1": "asks for documented procedures; that nothing goes around them is a part"}),
    ),
    cannot_see=(
        "Rules inherited from the project: no public endpoint shows them; evidence about the project can.",
        "Whether those exempt from the push restriction ought to be; they are listed in the detail.",
    ),
    events=("repo:push",),
    thresholds=(
        "required_protections",
        "max_push_exempt_users",
        "max_push_exempt_groups",
        "behaviour_window_days",
        "evidence_validity_days",
        "time_zone",
        "max_data_age_hours",
    ),
    own_thresholds=(
        Threshold(
            "required_protections",
            ["push", "force", "delete"],
            "Kinds of branch restrictions that must apply to the main branch.",
            Annotated[list[str], Field(min_length=1), AfterValidator(known_kinds)],
            Weaker.WHEN_ONE_IS_MISSING,
        ),
        Threshold(
            "max_push_exempt_users",
            None,
            "Users who may be exempt from the push restrictions of a main branch, at most; empty: no limit.",
            MostExempt,
            Weaker.WHEN_HIGHER,
        ),
        Threshold(
            "max_push_exempt_groups",
            None,
            "Groups that may be exempt from the push restrictions of a main branch, at most; empty: no limit.",
            MostExempt,
            Weaker.WHEN_HIGHER,
        ),
    ),
)
