"""The demo shows what its answer key says, seen only through HTTP and the declared files.

The judge below is a plain second writing of the eight rules, made to check the demo and nothing else.
"""

from __future__ import annotations

import csv
import fnmatch
import re
import unicodedata
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from sandbox.demo import CLASSIFICATION, MFA_EXPORT, ROSTER, SLUG, demo_workspace
from sandbox.state import SandboxState
from tests.sandbox.demo_expected import Grant, Verdict, expected_verdicts

pytestmark = pytest.mark.slow

REVIEW_KINDS = {
    "require_approvals_to_merge",
    "require_default_reviewer_approvals_to_merge",
    "require_review_group_approvals_to_merge",
}


def rows(path: Any) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return [{k: v.strip() for k, v in row.items()} for row in csv.DictReader(file)]


class Judge:
    """Judges one grant from what the stand-in answers."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.since = datetime.now(UTC) - timedelta(days=90)
        self.declared = rows(CLASSIFICATION)

    def repository(self, repo: Any) -> dict[str, tuple[str, str | None]]:
        label, sensitivity = self.classification(repo)
        conflict = sensitivity not in ("", "public") and not repo["is_private"]
        reason = "unclassified" if label is None else "visibility_conflict" if conflict else None
        verdicts: dict[str, tuple[str, str | None]] = {"repo_classified": ("failing" if reason else "passing", reason)}
        for test in (
            "status_checks_required",
            "peer_review_required",
            "branch_protection_enforced",
            "pipelines_enabled",
        ):
            verdicts[test] = self.judge(repo, label, test)
        return verdicts

    def classification(self, repo: Any) -> tuple[str | None, str]:
        def found(kind: str, test: Any) -> list[dict[str, str]]:
            return [r for r in self.declared if r["target_type"] == kind and test(r["target"])]

        by_glob = sorted(
            found("pattern", lambda p: fnmatch.fnmatchcase(repo["slug"], p)),
            key=lambda r: -len(r["target"].replace("*", "")),
        )
        best = [
            *found("repository", lambda t: t.lower() in (repo["slug"], repo["uuid"])),
            *found("project", lambda t: t == repo["project"]["key"]),
            *by_glob,
        ]
        return (best[0]["classification"], best[0]["sensitivity"]) if best else (None, "")

    def judge(self, repo: Any, label: str | None, test: str) -> tuple[str, str | None]:
        if label == "non_production":
            return "not_applicable", "non_production"
        if repo["mainbranch"] is None and test != "pipelines_enabled":
            return "not_applicable", "no_main_branch"
        root = f"/repositories/{SLUG}/{repo['uuid']}"
        if test != "pipelines_enabled" and self.is_empty(repo, root):
            return "not_applicable", "empty_repository"
        return self.judge_content(repo, root, test)

    def is_empty(self, repo: Any, root: str) -> bool:
        branch = f"{root}/refs/branches/{repo['mainbranch']['name']}"
        return repo["size"] == 0 and self.client.get(branch).status_code == 404

    def judge_content(self, repo: Any, root: str, test: str) -> tuple[str, str | None]:
        where = "pipelines_config" if test == "pipelines_enabled" else "branch-restrictions"
        answer = self.client.get(f"{root}/{where}", **({} if where == "pipelines_config" else {"pagelen": 100}))
        alive = self.client.get(root).status_code == 200
        if answer.status_code == 403:
            scope = "scope" in answer.json()["error"]["message"]
            if test == "branch_protection_enforced":
                return "pending", "scope_missing" if scope else "permission_missing"
            if not alive:
                return "error", "extract_failed"
            return self.in_effect(repo, root, test) or self.behaviour(repo, root, test)
        if not alive:
            return "error", "extract_failed"
        if test == "pipelines_enabled":
            on = answer.status_code == 200 and answer.json()["enabled"]
            return ("passing", None) if on else ("failing", "pipelines_disabled")
        return self.configuration(repo, root, answer.json()["values"], test)

    def configuration(self, repo: Any, root: str, rules: Any, test: str) -> tuple[str, str | None]:
        model = self.client.json(f"{root}/effective-branching-model")
        hit = [r for r in rules if self.matches(r, repo["mainbranch"]["name"], model)]
        kinds = {r["kind"] for r in hit}
        if test == "branch_protection_enforced":
            return ("passing", None) if {"push", "force", "delete"} <= kinds else ("failing", "missing_protection")
        wanted = {"require_passing_builds_to_merge"} if test == "status_checks_required" else REVIEW_KINDS
        asked = {r["kind"] for r in hit if r["kind"] in wanted and r["value"] >= 1}
        if asked and "enforce_merge_checks" in kinds and self.somebody_can(root, asked):
            return "passing", None
        shown = self.in_effect(repo, root, test)
        if shown:
            return shown
        if asked and "enforce_merge_checks" in kinds:
            return "pending", "no_default_reviewers"
        return "failing", "advisory_only" if asked else "no_matching_rule"

    def somebody_can(self, root: str, asked: set[str]) -> bool:
        alone = asked <= {"require_default_reviewer_approvals_to_merge", "minimum_default_reviewer_approvals"}
        return not alone or bool(self.client.all(f"{root}/effective-default-reviewers"))

    def in_effect(self, repo: Any, root: str, test: str) -> tuple[str, str | None] | None:
        """What the newest open pull request into the main branch shows, if there is one."""
        if test == "pipelines_enabled":
            return None
        into = repo["mainbranch"]["name"]
        opened = [
            pull
            for pull in self.client.all(f"{root}/pullrequests", state="OPEN")
            if pull["destination"]["branch"]["name"] == into
        ]
        if not opened:
            return None
        newest = max(opened, key=lambda pull: (not pull["draft"], pull["created_on"], pull["id"]))
        checks = self.client.json(f"{root}/pullrequests/{newest['id']}/mergeability/checks")["values"]
        kinds = "minimum_successful_builds" if test == "status_checks_required" else r"minimum_\w*approvals"
        asked = {
            (check["check"]["kind"], check["required"])
            for check in checks
            if check["type"] == "standard_merge_check"
            and re.fullmatch(kinds, check["check"]["kind"])
            and sum((check["requirement"] or {}).values()) >= 1
        }
        if not asked:
            return "failing", "no_matching_rule"
        enforced = {kind for kind, required in asked if required}
        if not enforced:
            return "failing", "advisory_only"
        return ("passing", None) if self.somebody_can(root, enforced) else ("pending", "no_default_reviewers")

    @staticmethod
    def matches(rule: Any, branch: str, model: Any) -> bool:
        if rule["branch_match_kind"] == "glob":
            return re.fullmatch(".*".join(map(re.escape, rule["pattern"].split("*"))), branch) is not None
        kind = rule["branch_type"]
        if kind in ("production", "development"):
            return bool(model.get(kind)) and model[kind]["name"] == branch
        return any(t["kind"] == kind and branch.startswith(t["prefix"]) for t in model["branch_types"])

    def behaviour(self, repo: Any, root: str, test: str) -> tuple[str, str | None]:
        if test == "pipelines_enabled":
            latest = self.client.json(f"{root}/pipelines", sort="-created_on", pagelen=1)["values"]
            seen = latest and datetime.fromisoformat(latest[0]["created_on"]) >= self.since
            return ("passing", None) if seen else ("pending", "no_pipeline_runs")
        branch, since = repo["mainbranch"]["name"], f"{self.since:%Y-%m-%dT%H:%M:%SZ}"
        merged = self.client.all(
            f"{root}/pullrequests",
            q=f'state = "MERGED" AND destination.branch.name = "{branch}" AND updated_on >= {since}',
            sort="-updated_on",
            fields="+values.participants",
        )
        if test == "status_checks_required":
            bad = any(not self.built(root, pull) for pull in merged[:5])
            reason = "merged_without_passing_build"
        else:
            unreviewed = [pull for pull in merged if not self.reviewed(pull)]
            bad = any(not self.approved_by_somebody_deleted(pull) for pull in unreviewed)
            reason = "merged_without_peer_approval"
            if unreviewed and not bad:
                return "pending", "merges_undecided"
        if bad:
            return "failing", reason
        return ("passing", None) if len(merged) >= 3 else ("pending", "too_few_merges")

    def built(self, root: str, pull: Any) -> bool:
        states = [s["state"] for s in self.client.all(f"{root}/pullrequests/{pull['id']}/statuses")]
        return bool(states) and set(states) == {"SUCCESSFUL"}

    @staticmethod
    def reviewed(pull: Any) -> bool:
        peers = [p["user"] for p in pull["participants"] if p["approved"] and p["user"]]
        return any(u["type"] == "user" and u["uuid"] != pull["author"]["uuid"] for u in peers)

    @staticmethod
    def approved_by_somebody_deleted(pull: Any) -> bool:
        return any(p["approved"] and p["user"] is None for p in pull["participants"])

    def members(self) -> dict[str, dict[str, tuple[str, str | None]]]:
        people = self.client.all(f"/workspaces/{SLUG}/members")
        roster, export = rows(ROSTER), rows(MFA_EXPORT)
        asked = sorted({r["email"] for r in roster} | {r["Email"] for r in export} - {""})
        quoted = ",".join(f'"{e}"' for e in asked if e)
        seen = self.client.all(
            f"/workspaces/{SLUG}/members",
            q=f"user.email IN ({quoted})",
            fields="values.user.email,values.user.uuid,next",
            pagelen=100,
        )
        emails = {i["user"]["uuid"]: i["user"]["email"].casefold() for i in seen}
        return {i["user"]["nickname"]: self.member(i["user"], emails, roster, export) for i in people}

    def member(self, user: Any, emails: Any, roster: Any, export: Any) -> dict[str, tuple[str, str | None]]:
        if user["type"] == "app_user":
            return dict.fromkeys(("offboarded_access_removed", "user_mfa_enabled"), ("not_applicable", "app_user"))
        email = emails.get(user["uuid"], "?")
        own = [r for r in roster if r["account_id"] == user["account_id"] or r["email"].casefold() == email]
        mfa = [r for r in export if r["Atlassian ID"] == user["account_id"] or r["Email"].casefold() == email]
        on = mfa and mfa[0]["Two-step verification"] == "Enabled"
        result = ("passing", None) if on else ("failing", "mfa_disabled") if mfa else ("pending", "evidence_missing")
        return {"offboarded_access_removed": self.offboarded(user, own, roster), "user_mfa_enabled": result}

    @staticmethod
    def offboarded(user: Any, own: Any, roster: Any) -> tuple[str, str | None]:
        def gone(row: dict[str, str]) -> bool:
            ended = not row["end_date"] or date.fromisoformat(row["end_date"]) < datetime.now(UTC).date()
            return row["status"] == "terminated" and ended

        def folded(name: str) -> str:
            return unicodedata.normalize("NFKC", name).casefold()

        if own:
            return ("failing", "offboarded") if all(map(gone, own)) else ("passing", None)
        same = any(folded(r["name"]) == folded(user["display_name"]) for r in roster)
        return "pending", "ambiguous_match" if same else "not_on_roster"


@pytest.mark.parametrize("grant", ["admin", "five"])
def test_the_demo_shows_what_its_answer_key_says(grant: Grant, admin: Any, five: Any) -> None:
    judge = Judge(admin if grant == "admin" else five)
    seen: dict[tuple[str, str], tuple[str, str | None]] = {}
    for repo in judge.client.all(f"/repositories/{SLUG}", pagelen=100):
        seen |= {(test, repo["slug"]): verdict for test, verdict in judge.repository(repo).items()}
    for nickname, verdicts in judge.members().items():
        seen |= {(test, nickname): verdict for test, verdict in verdicts.items()}
    expected = {k: (v.status, v.reason_code) for k, v in expected_verdicts(grant).items()}
    del expected["workspace_mfa_enforced", SLUG]
    assert seen == expected


def test_every_status_and_reason_that_data_can_cause_stands_in_the_answer_key() -> None:
    shown: dict[str, set[tuple[str, str | None, str | None]]] = defaultdict(set)
    for grant in get_args(Grant):
        for (test, _), verdict in expected_verdicts(grant).items():
            shown[test].add(verdict)
    na = {("not_applicable", None, code) for code in ("non_production", "no_main_branch", "empty_repository")}
    waits = {("pending", None, "too_few_merges"), ("error", None, "extract_failed")}
    by_rule = {
        ("failing", "configuration", "advisory_only"),
        ("failing", "configuration", "no_matching_rule"),
    }
    passes = {("passing", "configuration", None), ("passing", "behaviour", None)}
    assert shown["status_checks_required"] == na | waits | by_rule | passes | {
        ("failing", "behaviour", "merged_without_passing_build")
    }
    assert shown["peer_review_required"] == na | waits | by_rule | passes | {
        ("failing", "behaviour", "merged_without_peer_approval"),
        ("pending", None, "no_default_reviewers"),
        ("pending", None, "merges_undecided"),
    }
    assert shown["branch_protection_enforced"] == na | {
        ("error", None, "extract_failed"),
        ("passing", "configuration", None),
        ("failing", "configuration", "missing_protection"),
        ("pending", None, "scope_missing"),
        ("pending", None, "permission_missing"),
    }
    assert shown["pipelines_enabled"] == passes | {
        ("not_applicable", None, "non_production"),
        ("error", None, "extract_failed"),
        ("failing", "configuration", "pipelines_disabled"),
        ("pending", None, "no_pipeline_runs"),
    }
    assert {v[2] for v in shown["repo_classified"]} == {None, "unclassified", "visibility_conflict"}
    assert {v[2] for v in shown["offboarded_access_removed"]} == {
        None, "offboarded", "ambiguous_match", "not_on_roster", "app_user",
    }  # fmt: skip
    assert {v[2] for v in shown["user_mfa_enabled"]} == {None, "mfa_disabled", "evidence_missing", "app_user"}


def test_a_verdict_reads_as_status_basis_and_reason() -> None:
    key = expected_verdicts("admin")
    assert key["peer_review_required", "ledger"] == Verdict("failing", "configuration", "advisory_only")


def test_the_demo_is_the_same_on_every_day_but_for_its_dates() -> None:
    one = demo_workspace(datetime(2026, 1, 31, tzinfo=UTC))
    two = demo_workspace(datetime(2028, 2, 29, tzinfo=UTC))
    assert [r.uuid for r in one.repositories] == [r.uuid for r in two.repositories]
    assert [m.account.account_id for m in one.members] == [m.account.account_id for m in two.members]
    shift = two.created_on - one.created_on
    for old, new in zip(one.repositories, two.repositories, strict=True):
        assert [p.updated_on + shift for p in old.pull_requests] == [p.updated_on for p in new.pull_requests]


def test_the_demo_has_forty_repositories_twenty_five_members_and_three_owners(state: SandboxState) -> None:
    workspace = state.workspaces[0]
    assert len(workspace.repositories) == 40
    assert len(workspace.members) == 25
    assert sum(m.role == "owner" for m in workspace.members) == 3
    assert sum(m.account.type == "app_user" for m in workspace.members) >= 2
    assert len({r.slug for r in workspace.repositories}) == 40
    assert sum(r.gone for r in workspace.repositories) == 1
