"""Bitbucket access should be removed for offboarded user."""

from bitbucket_compliance.policy.model import Days, Threshold, Weaker
from bitbucket_compliance.security_tests.frameworks import (
    CIS_SSC,
    ISO_27001,
    PCI_DSS,
    SOC_2,
    SP_800_53,
    SSDF,
    controls,
    supporting,
)
from bitbucket_compliance.security_tests.model import Reason, SecurityTest
from bitbucket_compliance.security_tests.reasons import OF_MEMBERS

TEST = SecurityTest(
    test_id="offboarded_access_removed",
    title="Bitbucket access should be removed for offboarded user",
    severity="critical",
    subject_type="member",
    order=7,
    description="Nobody who has left the organisation is still a member of the workspace.",
    rationale="Access that outlives employment is access nobody answers for.",
    how_decided=(
        "Decides: the roster rows that match the member by account id or by a confirmed address. Failing: all of them "
        "say that the person has left, which means `terminated` and the last day plus `offboarding_grace_days` lies in "
        "the past (on the last day itself access is still right). Passing: at least one says that they belong here "
        "(active, on leave, leaving later, hired again). A row that points at several members, such as one's address "
        "beside another's account id, decides for none of them. A roster older than `roster_max_age_days` decides "
        "nothing. Employment dates are never part of the verdict: readers of results are not readers of HR data.",
        "Where there are several rosters (employees, contractors), the first in `roster_precedence` that names the "
        "member decides. If two of the same rank contradict each other, neither decides; `detail` says what each says.",
        "A row that could not be used when its roster was imported decides nothing. As long as it is there, no other "
        "row of the same person makes the member pass. Dots and `+tags` in addresses are ignored for the domains of "
        "`domains_without_dots` and `domains_without_tags`.",
    ),
    bases={"registry": ("members",)},
    reasons={
        "on_roster": Reason(
            "passing",
            "registry",
            "A roster row that matches the member by account id or address says they belong here.",
        ),
        "offboarded": Reason(
            "failing",
            "registry",
            "Every roster row that matches the member says the person has left.",
            "Remove the person from the workspace (Workspace settings → User directory), and revoke what they "
            "left behind: access tokens, SSH keys, app passwords. Bitbucket has no public API call that removes a"
            " member.",
        ),
        "ambiguous_match": Reason(
            "pending",
            None,
            "Only the display name matches a roster row, or the matching row points at another member too. Neither "
            "proves who is meant.",
            "Add the member's e-mail address or Atlassian account id to the roster, or correct the row that points at "
            "two members: the reason names it.",
        ),
        "rosters_contradict": Reason(
            "pending",
            None,
            "Two rosters contradict each other on the member, and the policy does not say which one decides.",
            "Correct one of the rosters, or say in `thresholds.roster_precedence` which of them decides.",
        ),
        "roster_row_refused": Reason(
            "pending",
            None,
            "A roster row on the member could not be used: it has an unknown status, or a bad date or address.",
            "Correct the row that the reason names, or add its status or date format to the mapping. Then import the "
            "roster again. The import's page under Imports says what is wrong with each row.",
        ),
        "not_on_roster": Reason(
            "pending",
            None,
            "No roster row names the member.",
            "Add the person to the roster, or remove the member from the workspace if nobody knows who it is.",
        ),
        "no_roster": Reason(
            "pending",
            None,
            "No roster was imported yet.",
            "Import a roster: under Imports in the console, or by the DAG registry_import.",
        ),
        "stale_roster": Reason(
            "pending",
            None,
            "The newest import of the roster is older than the policy allows.",
            "Import a current roster: under Imports in the console, or by the DAG registry_import.",
        ),
        **OF_MEMBERS,
        "app_user": Reason("not_applicable", "registry", "The member is an app: apps are on no roster."),
    },
    controls=(
        *supporting(
            SOC_2,
            **{
                "CC6.2": "asks for registration and authorization too",
                "CC6.3": "asks for access by role, and for changes of role too",
            },
        ),
        *supporting(
            ISO_27001,
            **{
                "A.5.18": "asks for granting and reviewing of access too",
                "A.6.5": "asks for all duties that outlast employment; access is a part",
                "A.8.2": "asks for privileged rights; membership of the workspace is the least of them",
            },
        ),
        *supporting(CIS_SSC, **{"1.3.1": "asks for users who are inactive; the test sees those who left"}),
        *supporting(SSDF, **{"PS.1": "asks for code that is protected in every form; who has access is a part"}),
        *supporting(
            SP_800_53,
            **{
                "AC-2(3)": "asks for accounts that expired or are inactive too",
                "PS-4": "asks for interviews and returned property too",
            },
        ),
        *controls(PCI_DSS, "8.2.5"),
    ),
    cannot_see=(
        "Whether the roster is right and whole: it is what HR declared.",
        "Access by tokens, SSH keys or apps that outlived the membership.",
        "A member whose address Bitbucket does not confirm and whose account id the roster lacks.",
    ),
    thresholds=(
        "offboarding_grace_days",
        "roster_max_age_days",
        "roster_precedence",
        "domains_without_dots",
        "domains_without_tags",
        "time_zone",
    ),
    own_thresholds=(
        Threshold(
            "offboarding_grace_days",
            0,
            "Days after the last working day for which access may still be there.",
            Days,
            Weaker.WHEN_HIGHER,
        ),
    ),
    verdict="verdict.py",
)
