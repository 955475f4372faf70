"""Links to pages of Bitbucket Cloud, for people; nothing here is ever fetched."""

from __future__ import annotations

from urllib.parse import quote

from bitbucket_cloud.configuration import DEFAULT_OAUTH_URL

SITE = DEFAULT_OAUTH_URL


def of_repository(workspace: str, slug: str | None) -> dict[str, str]:
    """Address by what stands there; empty where the slug is not known."""
    if not slug:
        return {}
    home = f"{SITE}/{_part(workspace)}/{_part(slug)}"
    return {
        "Repository": home,
        "Merged pull requests": f"{home}/pull-requests/?state=MERGED",
        "Pipelines": f"{home}/pipelines",
        "Repository settings (branch restrictions, merge checks)": f"{home}/admin",
    }


def of_member(workspace: str, member_id: str) -> dict[str, str]:
    """Address by what stands there: the account, and where its access is taken away."""
    return {
        "Account": f"{SITE}/{_part(member_id)}",
        "Workspace settings (user groups and access)": f"{SITE}/{_part(workspace)}/workspace/settings",
    }


def _part(text: str) -> str:
    return quote(text, safe="")
