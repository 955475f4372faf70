"""What a correct judge makes of the demo: the answer key for tests, worked out by hand.

The pipeline never reads this. Two grants are known: ``admin`` (the five scopes and ``repository:admin``)
and ``five`` (the five scopes alone). A verdict is (status, basis, reason code); a reason code is null
where there is nothing to explain. Roster, classification and MFA export are the ones in ``demo_data/``.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from sandbox.demo import HANDS_DOWN, MEMBERS, REPOSITORIES, WITHOUT_DEFAULT_REVIEWERS, DemoRepository

Grant = Literal["admin", "five"]


class Verdict(NamedTuple):
    """What stands in the results for one test and subject."""

    status: str
    basis: str | None
    reason_code: str | None


_UNMATCHED = ("no_matching_rule", "no_matching_rule", "missing_protection")
_ADVISORY = ("advisory_only", "advisory_only", None)
_PASS = (None, None, None)
# (rules, model): why status checks, peer review and branch protection fail by configuration; null passes.
_BY_RULES: dict[tuple[str, str], tuple[str | None, str | None, str | None]] = {
    ("enforced", "plain"): _PASS,
    ("enforced_everywhere", "plain"): _PASS,
    ("enforced_release", "plain"): _PASS,
    ("unknown_kinds", "plain"): _PASS,
    ("model_production", "production_is_main"): _PASS,
    ("model_development", "plain"): _PASS,
    ("model_release", "prefixes"): _PASS,
    ("advisory", "plain"): _ADVISORY,
    ("advisory_elsewhere", "plain"): _ADVISORY,
    ("no_delete", "plain"): (None, None, "missing_protection"),
    ("builds_only", "plain"): (None, "no_matching_rule", None),
    ("review_only", "plain"): ("no_matching_rule", None, "missing_protection"),
    ("review_group", "plain"): ("no_matching_rule", None, None),
    ("value_zero", "plain"): ("no_matching_rule", "no_matching_rule", None),
    ("model_production", "production_is_live"): _UNMATCHED,
    ("model_production", "plain"): _UNMATCHED,
    ("literal_glob", "plain"): _UNMATCHED,
    ("other_branches", "plain"): _UNMATCHED,
    ("none", "plain"): _UNMATCHED,
}
_UNDECIDED = "merges_undecided"
_NO_BUILD, _NO_PEER, _FEW = "merged_without_passing_build", "merged_without_peer_approval", "too_few_merges"
# history: why status checks and peer review fail (or wait) by behaviour; null passes.
_BY_HISTORY: dict[str, tuple[str | None, str | None]] = {
    "clean": (None, None),
    "failed_build": (_NO_BUILD, None),
    "stopped_build": (_NO_BUILD, None),
    "running_build": (_NO_BUILD, None),
    "mixed_builds": (_NO_BUILD, None),
    "no_build": (_NO_BUILD, None),
    "old_bad_build": (None, None),
    "unreviewed": (None, _NO_PEER),
    "self_approved": (None, _NO_PEER),
    "app_approved": (None, _NO_PEER),
    "deleted_approver": (None, _UNDECIDED),
    "peer_and_self": (None, None),
    "failed_and_unreviewed": (_NO_BUILD, _NO_PEER),
    "few": (_FEW, _FEW),
    "few_bad": (_NO_BUILD, _NO_PEER),
    "old_only": (_FEW, _FEW),
    "not_merged": (None, None),
    "other_branch": (None, None),
    "none": (_FEW, _FEW),
}
NON_PRODUCTION = frozenset({"playground", "legacy-importer"})
UNCLASSIFIED = frozenset({"mystery-box"})
CONFLICTING = frozenset({"public-website"})
_OFFBOARDING: dict[str, Verdict] = {
    "elif-castor": Verdict("failing", "registry", "offboarded"),
    "femi-rask": Verdict("failing", "registry", "offboarded"),
    "greta-solano": Verdict("failing", "registry", "offboarded"),
    "jonas-quill": Verdict("pending", "registry", "ambiguous_match"),
    "zoe-brandt": Verdict("pending", "registry", "ambiguous_match"),
    "kaya-noor": Verdict("pending", "registry", "not_on_roster"),
    "lars-odden": Verdict("pending", "registry", "not_on_roster"),
}
_MFA: dict[str, Verdict] = {
    "femi-rask": Verdict("failing", "evidence", "mfa_disabled"),
    "lars-odden": Verdict("failing", "evidence", "mfa_disabled"),
    "oskar-pell": Verdict("failing", "evidence", "mfa_disabled"),
    "kaya-noor": Verdict("pending", "evidence", "evidence_missing"),
    "sven-utter": Verdict("pending", "evidence", "evidence_missing"),
    "theo-vance": Verdict("pending", "evidence", "evidence_missing"),
}


def expected_verdicts(grant: Grant) -> dict[tuple[str, str], Verdict]:
    """Every verdict of the demo under a grant, by (test id, repository slug | nickname | workspace slug).

    ``pipelines_enabled`` is included although it is off by default. For the repository that vanished,
    ``branch_protection_enforced`` without ``repository:admin`` waits for the scope: no call was made.
    """
    found: dict[tuple[str, str], Verdict] = {}
    for row in REPOSITORIES:
        found |= {(test, row.slug): verdict for test, verdict in _repository(row, grant).items()}
    for member in MEMBERS:
        gone = Verdict("not_applicable", None, "app_user")
        passing = Verdict("passing", "registry", None)
        found["offboarded_access_removed", member.nickname] = (
            gone if member.app else _OFFBOARDING.get(member.nickname, passing)
        )
        enabled = Verdict("passing", "evidence", None)
        found["user_mfa_enabled", member.nickname] = gone if member.app else _MFA.get(member.nickname, enabled)
    found["workspace_mfa_enforced", "demo-workspace"] = Verdict("pending", "evidence", "evidence_missing")
    return found


def _repository(row: DemoRepository, grant: Grant) -> dict[str, Verdict]:
    tests = (
        "status_checks_required",
        "peer_review_required",
        "branch_protection_enforced",
        "pipelines_enabled",
    )
    return {"repo_classified": _classified(row)} | {test: _judged(row, grant, test) for test in tests}


def _classified(row: DemoRepository) -> Verdict:
    if row.slug in UNCLASSIFIED:
        return Verdict("failing", "registry", "unclassified")
    if row.slug in CONFLICTING:
        return Verdict("failing", "registry", "visibility_conflict")
    return Verdict("passing", "registry", None)


def _judged(row: DemoRepository, grant: Grant, test: str) -> Verdict:
    if row.slug in NON_PRODUCTION:
        return Verdict("not_applicable", None, "non_production")
    if row.main is None and test != "pipelines_enabled":
        return Verdict("not_applicable", None, "no_main_branch")
    if row.empty and test != "pipelines_enabled":
        return Verdict("not_applicable", None, "empty_repository")
    if row.gone and not (grant == "five" and test == "branch_protection_enforced"):
        return Verdict("error", None, "extract_failed")
    if grant == "admin" and row.permission == "admin":
        return _configured(row, test)
    if test in _OF_MERGES and row.history in _WITH_OPEN_PULL_REQUEST:
        return _in_effect(row, test)
    return _behaved(row, grant, test)


_OF_MERGES = ("status_checks_required", "peer_review_required")
_WITH_OPEN_PULL_REQUEST = frozenset({"clean", "not_merged"})
# Rules about approvals that default reviewers alone can satisfy.
_BY_DEFAULT_REVIEWERS = frozenset({"no_delete"})


def _in_effect(row: DemoRepository, test: str) -> Verdict:
    """What an open pull request into the main branch shows: the repository's rules and those of its project."""
    reason = None if row.project == HANDS_DOWN else _BY_RULES[row.rules, row.model][_OF_MERGES.index(test)]
    return Verdict("passing" if reason is None else "failing", "configuration", reason)


def _configured(row: DemoRepository, test: str) -> Verdict:
    if test == "pipelines_enabled":
        reason = None if row.pipelines == "on" else "pipelines_disabled"
    else:
        place = ("status_checks_required", "peer_review_required", "branch_protection_enforced").index(test)
        reason = _BY_RULES[row.rules, row.model][place]
        if test in _OF_MERGES and reason and row.history in _WITH_OPEN_PULL_REQUEST:
            return _in_effect(row, test)
        if (
            test == "peer_review_required"
            and row.rules in _BY_DEFAULT_REVIEWERS
            and row.slug in WITHOUT_DEFAULT_REVIEWERS
        ):
            return Verdict("pending", None, "no_default_reviewers")
    return Verdict("passing" if reason is None else "failing", "configuration", reason)


def _behaved(row: DemoRepository, grant: Grant, test: str) -> Verdict:
    if test == "branch_protection_enforced":
        return Verdict("pending", None, "scope_missing" if grant == "five" else "permission_missing")
    if test == "pipelines_enabled":
        seen = row.runs == "recent"
        return Verdict("passing", "behaviour", None) if seen else Verdict("pending", None, "no_pipeline_runs")
    reason = _BY_HISTORY[row.history][test == "peer_review_required"]
    if reason is None:
        return Verdict("passing", "behaviour", None)
    if reason in (_FEW, _UNDECIDED):
        return Verdict("pending", None, reason)
    return Verdict("failing", "behaviour", reason)
