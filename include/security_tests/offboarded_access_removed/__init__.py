"""Bitbucket access should be removed for offboarded user."""

from include.security_tests.model import CIS_SSC, ISO_27001, OSPS, SOC_2, SSDF, Reason, SecurityTest, controls

TEST = SecurityTest(
    test_id="offboarded_access_removed",
    title="Bitbucket access should be removed for offboarded user",
    severity="critical",
    subject_type="member",
    order=7,
    description="Nobody who has left the organisation is still a member of the workspace.",
    bases={"registry": ("members",)},
    reasons={
        "on_roster": Reason("passing"),
        "offboarded": Reason("failing", "Remove the person from the workspace (Workspace settings → User directory)."),
        "ambiguous_match": Reason(
            "pending",
            "Add the member's e-mail address or Atlassian account id to the roster: a name alone proves nothing.",
        ),
        "not_on_roster": Reason(
            "pending", "Add the person to the roster, or remove the member if nobody knows who it is."
        ),
        "no_roster": Reason("pending", "Import a roster: make import ROSTER=file.csv."),
        "stale_roster": Reason("pending", "Import a current roster: make import ROSTER=file.csv."),
        "extract_failed": Reason("error", "Run again; the members could not be found by e-mail in this run."),
        "scope_missing": Reason("pending", "Grant the connection the scope account, then run again."),
        "permission_missing": Reason(
            "pending",
            "Let a workspace administrator grant the connection: only then Bitbucket finds members by e-mail.",
        ),
        "app_user": Reason("not_applicable"),
    },
    controls=(
        *controls(SOC_2, "CC6.2", "CC6.3"),
        *controls(ISO_27001, "A.5.18", "A.8.2"),
        *controls(CIS_SSC, "1.3.1"),
        *controls(OSPS, "OSPS-AC-02"),
        *controls(SSDF, "PO.2", "PS.1"),
    ),
    cannot_see=(
        "Whether the roster is right and whole: it is what HR declared.",
        "Access by tokens, SSH keys or apps that outlived the membership.",
        "A member whose address Bitbucket does not confirm and whose account id the roster lacks.",
    ),
    verdict="verdict.py",
)
