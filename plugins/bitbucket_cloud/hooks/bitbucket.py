"""Airflow's hook for Bitbucket Cloud."""

from __future__ import annotations

import dataclasses
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from bitbucket_cloud.auth.vault.vault import TokenVault
from bitbucket_cloud.client.client import BitbucketClient
from bitbucket_cloud.configuration import Configuration, installed
from bitbucket_cloud.database import Database
from bitbucket_cloud.errors import AuthenticationError, BitbucketError, PermissionMissing, ScopeMissing
from bitbucket_cloud.settings import ACCESS_TOKEN, AUTHORIZATION_CODE, Settings

# A slug that is misspelt shows in the test; a long list would make a person wait.
_WORKSPACES_TESTED = 5


class BitbucketHook(BaseHook):
    """Reads Bitbucket Cloud through an Airflow connection of type ``bitbucket``.

    Args:
        bitbucket_conn_id: the connection's id.
        configuration: where tokens and the count of requests are kept; None keeps both within this process. The rest
            of what an installation decides is the installed one's then.
    """

    conn_name_attr = "bitbucket_conn_id"
    default_conn_name = "bitbucket_default"
    conn_type = "bitbucket"
    hook_name = "Bitbucket Cloud"

    def __init__(self, bitbucket_conn_id: str = default_conn_name, configuration: Configuration | None = None) -> None:
        super().__init__()
        self.bitbucket_conn_id = bitbucket_conn_id
        self.configuration = configuration
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
            self._settings = self._read()
        return self._settings

    def _read(self, **more: Any) -> Settings:
        connection = self.get_connection(self.bitbucket_conn_id)
        return Settings.from_connection(connection, self.configuration or installed(), **more)

    def get_conn(self, **settings: Any) -> BitbucketClient:
        """The client, one for each hook; close it when done.

        Args:
            settings: fields of ``Settings`` that differ from the connection's; they count when the client is made.

        Raises:
            ConfigurationError: the connection can't be used.
        """
        if self._client is None:
            self._client = self._new_client(dataclasses.replace(self.settings, **settings))
        return self._client

    def test_connection(self) -> tuple[bool, str]:
        """As ``check``, for Airflow's page, which hands over what its form holds as if the environment had set it.

        So it is no configuration, whatever it looks like, and leads to the allowed addresses alone.
        """
        return self._tested(is_stored=True)

    def check(self) -> tuple[bool, str]:
        """Whether Bitbucket takes the connection, and a sentence for a person; a few cheap requests.

        Asks for the user behind it, unless it is an access token, and for the first workspaces that it names.
        """
        return self._tested()

    def _tested(self, **more: Any) -> tuple[bool, str]:
        try:
            self._settings = self._read(**more)
            # A person waits for the answer: no long series of retries.
            settings = dataclasses.replace(self._settings, retry_attempts=2, rate_limit_pauses=2)
            with self._client_to_test(settings) as client:
                return True, _sentence(client, _who(client))
        except AuthenticationError as error:
            return False, self._to_person(error) + self._hint()
        except BitbucketError as error:
            return False, self._to_person(error)
        except Exception as error:  # the page shows a sentence, never a traceback
            return False, f"Airflow connection {self.bitbucket_conn_id} can't be read ({type(error).__name__})"

    def _to_person(self, error: BitbucketError) -> str:
        # The page tests a copy under a random id, which says nothing to the one who pressed the button.
        told = str(error).replace(f"Airflow connection {self.bitbucket_conn_id}", "this connection")
        return told[:1].upper() + told[1:]

    def _hint(self) -> str:
        if self.settings.auth == ACCESS_TOKEN and not self.settings.workspaces:
            return "; a workspace's own token stands for no user, so name the workspace in workspaces too"
        return ""

    def _client_to_test(self, settings: Settings) -> BitbucketClient:
        """A client for a connection that may be a copy under a random id: the vault then knows it by its OAuth key."""
        if settings.auth != AUTHORIZATION_CODE:
            return self._new_client(settings)
        # Airflow makes the hook that its page tests, and can't say where the vault is.
        database = Database.from_airflow(self.configuration or installed())
        known = TokenVault(database).connections_of(settings.login)
        if known and settings.conn_id not in known:
            settings = dataclasses.replace(settings, conn_id=known[0])
        return self._new_client(settings, database)

    def _new_client(self, settings: Settings, database: Database | None = None) -> BitbucketClient:
        if database is None and self.configuration and self.configuration.database_conn_id:
            database = Database.from_airflow(self.configuration)
        return BitbucketClient(settings, on_token=mask_secret, database=database)


def _who(client: BitbucketClient) -> str:
    """Whom Bitbucket takes the connection for; the requests that test it.

    Raises:
        BitbucketError: Bitbucket doesn't take it, or a workspace that it names is not there for it.
    """
    settings = client.settings
    workspaces = settings.workspaces[:_WORKSPACES_TESTED]
    user = "an access token" if settings.auth == ACCESS_TOKEN and workspaces else _user(client)
    for workspace in workspaces:
        client.get("workspace", fields=("slug",), workspace=workspace)
    return f"{user}; it can read {', '.join(workspaces)}" if workspaces else user


def _user(client: BitbucketClient) -> str:
    try:
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
