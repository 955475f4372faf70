"""Airflow's hook for Bitbucket Cloud."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from bitbucket_cloud.client import BitbucketClient
from bitbucket_cloud.errors import AuthenticationError, BitbucketError, PermissionMissing, ScopeMissing
from bitbucket_cloud.pagination import Listing, Page
from bitbucket_cloud.settings import ACCESS_TOKEN, Settings


class BitbucketHook(BaseHook):
    """Reads Bitbucket Cloud through an Airflow connection of type ``bitbucket``.

    Args:
        bitbucket_conn_id: the connection's id.
    """

    conn_name_attr = "bitbucket_conn_id"
    default_conn_name = "bitbucket_default"
    conn_type = "bitbucket"
    hook_name = "Bitbucket Cloud"

    def __init__(self, bitbucket_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.bitbucket_conn_id = bitbucket_conn_id
        self._settings: Settings | None = None
        self._client: BitbucketClient | None = None

    @property
    def settings(self) -> Settings:
        """The connection, checked; read once.

        Raises:
            ConfigurationError: a field of the connection can't be used.
            AirflowNotFoundException: there is no such connection.
        """
        if self._settings is None:
            self._settings = Settings.from_connection(self.get_connection(self.bitbucket_conn_id))
        return self._settings

    @property
    def workspaces(self) -> list[str]:
        """Slugs of the workspaces that the connection names; empty where it names none."""
        return list(self.settings.workspaces)

    def get_conn(self) -> BitbucketClient:
        """The client, one for each hook; close it when done.

        Raises:
            ConfigurationError: the connection can't be used.
        """
        if self._client is None:
            self._client = self._new_client(self.settings)
        return self._client

    def get(
        self,
        endpoint: str,
        *,
        fields: Sequence[str] = (),
        params: Mapping[str, object] | None = None,
        **path: str,
    ) -> Any:
        """See ``BitbucketClient.get``."""
        return self.get_conn().get(endpoint, fields=fields, params=params, **path)

    def paginate(
        self,
        endpoint: str,
        *,
        fields: Sequence[str] = (),
        params: Mapping[str, object] | None = None,
        pagelen: int | None = None,
        **path: str,
    ) -> Listing:
        """See ``BitbucketClient.paginate``."""
        return self.get_conn().paginate(endpoint, fields=fields, params=params, pagelen=pagelen, **path)

    def pages(
        self,
        endpoint: str,
        *,
        fields: Sequence[str] = (),
        params: Mapping[str, object] | None = None,
        pagelen: int | None = None,
        **path: str,
    ) -> Iterator[Page]:
        """See ``BitbucketClient.pages``."""
        return self.get_conn().pages(endpoint, fields=fields, params=params, pagelen=pagelen, **path)

    def test_connection(self) -> tuple[bool, str]:
        """Whether Bitbucket takes the connection, and a sentence for a person; one cheap request.

        Asks for the user behind it; an access token, which stands for no user, for its first workspace.
        """
        try:
            # A person waits for the answer: no long series of retries.
            settings = dataclasses.replace(self.settings, retry_attempts=2, rate_limit_pauses=2)
            with self._new_client(settings) as client:
                return True, _sentence(client, _who(client))
        except AuthenticationError as error:
            return False, _capitalized(str(error)) + self._hint()
        except BitbucketError as error:
            return False, _capitalized(str(error))
        except Exception as error:  # the page shows a sentence, never a traceback
            return (
                False,
                f"Airflow connection {self.bitbucket_conn_id} can't be read ({type(error).__name__})",
            )

    def _hint(self) -> str:
        if self.settings.auth == ACCESS_TOKEN and not self.settings.workspaces:
            return "; a workspace's own token stands for no user, so name the workspace in workspaces too"
        return ""

    @staticmethod
    def _new_client(settings: Settings) -> BitbucketClient:
        if settings.password:
            mask_secret(settings.password)
        return BitbucketClient(settings, on_token=mask_secret)


def _who(client: BitbucketClient) -> str:
    """Whom Bitbucket takes the connection for; the request that tests it."""
    settings = client.settings
    try:
        if settings.auth == ACCESS_TOKEN and settings.workspaces:
            workspace = settings.workspaces[0]
            client.get("workspace", fields=("slug",), workspace=workspace)
            return f"an access token, which can read the workspace {workspace}"
        user = client.get("current_user", fields=("display_name", "nickname", "type"))
    except ScopeMissing as error:
        return f"a token without the scope {', '.join(sorted(error.required))}, which its name would need"
    except PermissionMissing:
        return "a token that stands for no user"
    name = user.get("display_name") or user.get("nickname") or "a user without a name"
    return " ".join(str(name).split())[:80]


def _sentence(client: BitbucketClient, who: str) -> str:
    granted = client.granted_scopes
    if granted is None:
        scopes = "Bitbucket did not say which scopes are granted"
    else:
        scopes = f"scopes granted: {', '.join(sorted(granted)) or 'none'}"
    return f"Connected to {client.settings.api_url} as {who}; {scopes}."


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
