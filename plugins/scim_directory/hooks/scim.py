"""Airflow's hook for SCIM 2.0 directories."""

from __future__ import annotations

import dataclasses
from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from scim_directory.client import ScimClient
from scim_directory.errors import ScimError
from scim_directory.settings import Settings
from scim_directory.users import User


class ScimHook(BaseHook):
    """Reads the users of a directory through an Airflow connection of type ``scim``.

    Args:
        scim_conn_id: the connection's id.
    """

    conn_name_attr = "scim_conn_id"
    default_conn_name = "scim_default"
    conn_type = "scim"
    hook_name = "SCIM 2.0 directory"

    def __init__(self, scim_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.scim_conn_id = scim_conn_id
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """The connection, checked; read once.

        Raises:
            ConfigurationError: a field of the connection can't be used.
            AirflowNotFoundException: there is no such connection.
        """
        if self._settings is None:
            self._settings = Settings.from_connection(self.get_connection(self.scim_conn_id))
        return self._settings

    def get_conn(self, **settings: Any) -> ScimClient:
        """A new client; close it when done.

        Args:
            settings: fields of ``Settings`` that differ from the connection's.
        """
        mask_secret(self.settings.token)
        return ScimClient(dataclasses.replace(self.settings, **settings))

    def users(self) -> list[User]:
        """See ``ScimClient.users``."""
        with self.get_conn() as client:
            return client.users()

    def test_connection(self) -> tuple[bool, str]:
        """Whether the directory takes the connection, and a sentence for a person; one cheap request."""
        try:
            # A person waits for the answer: no long series of retries.
            with self.get_conn(retry_attempts=2) as client:
                return True, f"Connected to {client.settings.base_url}; it has {client.count_users()} users."
        except ScimError as error:
            # The page tests a copy under a random id, which says nothing to the one who pressed the button.
            return False, str(error).replace(f"Airflow connection {self.scim_conn_id}", "This connection")
        except Exception as error:  # the page shows a sentence, never a traceback
            return False, f"Airflow connection {self.scim_conn_id} can't be read ({type(error).__name__})"
