"""A key's secrets go where Bitbucket first took them, and nowhere else.

Who may edit a connection that Airflow stores could have its secret sent to another address, also to another of those
that the installation allows, without ever seeing it.
"""

from __future__ import annotations

from pathlib import Path

from bitbucket_cloud.database import Database
from bitbucket_cloud.errors import ConfigurationError
from bitbucket_cloud.settings import ACCESS_TOKEN, Settings
from bitbucket_cloud.urls import origin_of

_SQL = Path(__file__).parent


class KeyOrigins:
    """Binds the key of one connection. Does nothing where the connection is configuration, or there is no database.

    Both methods raise DatabaseUnavailable.
    """

    def __init__(self, settings: Settings, database: Database | None) -> None:
        self._settings = settings
        self._database = database if settings.is_stored else None
        self._is_checked = self._is_kept = self._database is None
        self._replaces = False

    def check(self) -> None:
        """To be called before anything secret is sent.

        Raises:
            ConfigurationError: the key is bound to another address, which is still among the allowed ones.
        """
        if self._is_checked or self._database is None:
            return
        with self._database.transaction() as connection:
            row = self._database.run(connection, _SQL / "bound_origins.sql", key=self._settings.key).fetchone()
        bound = (row["api_origin"], row["oauth_origin"]) if row else None
        if bound is not None and bound != self._origins:
            self._refuse(bound)
            self._replaces = True
        self._is_checked = True

    def keep(self) -> None:
        """To be called when Bitbucket took the key."""
        if self._is_kept or self._database is None:
            return
        api, oauth = self._origins
        with self._database.transaction() as connection:
            self._database.run(
                connection,
                _SQL / "bind_origins.sql",
                key=self._settings.key,
                api_origin=api,
                oauth_origin=oauth,
                replaces=self._replaces,
            )
        self._is_kept = True

    @property
    def _origins(self) -> tuple[str, str]:
        """Of the API, and of what gives out tokens; the latter is empty where there is nothing to ask for."""
        settings = self._settings
        return settings.api_url, "" if settings.auth == ACCESS_TOKEN else settings.oauth_url

    def _refuse(self, bound: tuple[str, str]) -> None:
        """Raise, unless one of the addresses of before is no longer allowed: then Bitbucket has moved."""
        configuration = self._settings.configuration
        allowed = [origin_of(url) for url in configuration.allowed_origins]
        if all(origin_of(url) in allowed for url in bound if url):
            raise ConfigurationError(
                f"Airflow connection {self._settings.conn_id}: its key was first used with "
                f"{' and '.join(dict.fromkeys(filter(None, bound)))}, and its secret is sent nowhere else; put these "
                "addresses back into host and extra oauth_url, or, if Bitbucket has moved, have whoever sets the "
                f"environment of Airflow take the old address out of {configuration.origins_setting}"
            )
