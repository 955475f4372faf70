"""What the submitter of evidence states beside the file: about what, by whom, captured when."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from bitbucket_compliance.core.errors import EvidenceRefused
from bitbucket_compliance.core.persons import known_form
from bitbucket_compliance.policy.overrides import plain
from bitbucket_compliance.security_tests import BY_ID
from bitbucket_compliance.security_tests.user_mfa_enabled import TEST

#: The test that a two-step verification export is evidence for.
MFA_TEST = TEST.test_id
SCOPES = ("workspace", "project", "repository", "members")
# What evidence may be about, by who gets the verdicts.
SCOPES_OF: Mapping[str, tuple[str, ...]] = {
    "repository": ("workspace", "project", "repository"),
    "member": ("workspace", "members"),
    "workspace": ("workspace",),
}
NAMED_BY: Mapping[str, str] = {
    "project": "project keys",
    "repository": "repository slugs or uuids",
    "members": "e-mail addresses or account ids",
}
LONGEST_TEXT = 2000
LONGEST_TARGET = 320
MOST_TARGETS = 5000

_WORKSPACE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}|\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


@dataclass(frozen=True)
class Claim:
    """What a submitter states, checked: names in lower case, uuids in braces."""

    test_id: str
    workspace: str | None
    scope: str
    targets: list[str]
    captured_on: date
    submitted_by: str
    note: str | None


def checked_claim(
    *,
    is_export: bool,
    test_id: str,
    workspace: str | None,
    scope: str | None,
    targets: Sequence[str],
    captured_on: date,
    submitted_by: str,
    note: str | None,
) -> Claim:
    """The claim, if it can be one; whether the day has come depends on the policy and is not looked at here.

    Args:
        is_export: the file is a two-step verification export, whose rows name its members.
        scope: None: members for an export, else the whole workspace.

    Raises:
        EvidenceRefused: names what is wrong and what is known.
        PersonUnclear: ``submitted_by`` names nobody.
    """
    _know_test(test_id, is_export)
    scope = scope or ("members" if is_export else "workspace")
    _know_scope(test_id, scope)
    if is_export and (scope != "members" or targets):
        raise EvidenceRefused("the rows of an export name its members; leave scope and targets out")
    return Claim(
        test_id=test_id,
        workspace=_known_workspace(workspace, is_export),
        scope=scope,
        targets=[] if is_export else _known_targets(scope, targets),
        captured_on=captured_on,
        submitted_by=known_form(submitted_by),
        note=text("the note", note),
    )


def _know_test(test_id: str, is_export: bool) -> None:
    if test_id not in BY_ID:
        raise EvidenceRefused(f"there is no test {test_id!r}; the tests are {', '.join(BY_ID)}")
    if is_export and test_id != MFA_TEST:
        raise EvidenceRefused(
            f"a CSV is taken as two-step verification export, which says nothing of {test_id}; submit it for {MFA_TEST}"
        )


def _know_scope(test_id: str, scope: str) -> None:
    if scope not in SCOPES:
        raise EvidenceRefused(f"there is no scope {scope!r}; the scopes are {', '.join(SCOPES)}")
    fitting = SCOPES_OF[BY_ID[test_id].subject_type]
    if scope not in fitting:
        raise EvidenceRefused(f"evidence for {test_id} can't be about scope {scope}; it can be: {', '.join(fitting)}")


def _known_workspace(workspace: str | None, is_export: bool) -> str | None:
    name = plain(workspace or "")
    if not name and is_export:
        return None
    if not name:
        raise EvidenceRefused("no workspace is given; a screenshot is evidence for one: give its slug")
    if not _WORKSPACE.fullmatch(name):
        raise EvidenceRefused(f"{workspace!r} is no workspace slug; give the part behind bitbucket.org/ in its address")
    return name


def _known_targets(scope: str, targets: Iterable[str]) -> list[str]:
    named = list(dict.fromkeys(_target(target, scope) for target in targets if target.strip()))
    if scope == "workspace" and named:
        raise EvidenceRefused(
            f"target {named[0]} is given, but scope workspace covers all of it; leave targets out or give another scope"
        )
    if scope != "workspace" and not named:
        raise EvidenceRefused(f"scope {scope} needs targets; give {NAMED_BY[scope]}")
    if len(named) > MOST_TARGETS:
        raise EvidenceRefused(f"{len(named)} targets are given; {MOST_TARGETS} are the most")
    return named


def _target(target: str, scope: str) -> str:
    name = target.strip().lower()
    if not name.isprintable() or len(name) > LONGEST_TARGET:
        raise EvidenceRefused(f"target {ascii(target)[:80]} is no name; give it as Bitbucket shows it")
    return f"{{{name}}}" if scope == "repository" and _UUID.fullmatch(name) else name


def text(what: str, given: str | None) -> str | None:
    """What a person wrote, trimmed; None where it is nothing.

    Raises:
        EvidenceRefused: it is too long, or holds control characters.
    """
    trimmed = (given or "").strip()
    if any(unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t" for character in trimmed):
        raise EvidenceRefused(f"{what} holds control characters; write plain text")
    if len(trimmed) > LONGEST_TEXT:
        raise EvidenceRefused(f"{what} has {len(trimmed)} characters; {LONGEST_TEXT} are the most")
    return trimmed or None
