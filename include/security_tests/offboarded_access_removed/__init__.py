"""Bitbucket access should be removed for offboarded user."""

from include.security_tests.model import Reason, SecurityTest

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
    verdict="verdict.py",
)
