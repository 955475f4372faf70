"""Encrypts tokens and webhook secrets, each together with what it belongs to.

The keys come from an environment variable and from nowhere else, so neither who reads the database nor who holds
Airflow's own Fernet key holds the tokens.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from bitbucket_cloud.configuration import DEFAULTS, Configuration
from bitbucket_cloud.errors import ConfigurationError, NeedsReconnect
from bitbucket_cloud.settings import Settings

_HOW_TO_MAKE_ONE = (
    'make one with: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)

Kind = Literal["access", "refresh"]


@dataclass(frozen=True)
class Holder:
    """Whose tokens these are, and the hosts that may see them; encrypted along with each token.

    A row that was copied over another one's, or a connection whose host was changed, gives no token.
    """

    conn_id: str
    consumer: str
    api_url: str
    oauth_url: str

    @classmethod
    def of(cls, settings: Settings) -> Holder:
        """The holder that a connection stands for."""
        return cls(settings.conn_id, settings.login, settings.api_url, settings.oauth_url)


class Encryption:
    """Encrypts with the first key, decrypts with any.

    Args:
        keys: Fernet keys separated by commas.
        configuration: which environment variable they come from, and what messages advise.

    Raises:
        ConfigurationError: there is no key, or one of them isn't a key. No message shows any of it.
    """

    def __init__(self, keys: str, configuration: Configuration = DEFAULTS) -> None:
        self._configuration = configuration
        variable = configuration.key_variable
        given = [key.strip() for key in keys.split(",") if key.strip()]
        if not given:
            raise ConfigurationError(
                f"the environment variable {variable}, the key that encrypts tokens, is not set; {_HOW_TO_MAKE_ONE}"
            )
        try:
            self._fernet = MultiFernet([Fernet(key) for key in given])
        except ValueError:
            raise ConfigurationError(
                f"the environment variable {variable} holds something that is no Fernet key (or several, "
                f"separated by commas); {_HOW_TO_MAKE_ONE}"
            ) from None

    @classmethod
    def from_environment(cls, configuration: Configuration) -> Encryption:
        """With the keys of the environment variable that the configuration names."""
        return cls(os.environ.get(configuration.key_variable, ""), configuration)

    def encrypt_token(self, holder: Holder, kind: Kind, token: str) -> str:
        """``token`` encrypted, bound to its holder and kind."""
        return self._encrypted({**asdict(holder), "kind": kind, "token": token})

    def decrypt_token(self, holder: Holder, kind: Kind, encrypted: str) -> str:
        """The token that ``encrypt_token`` took.

        Raises:
            ConfigurationError: none of the keys fits.
            NeedsReconnect: it belongs to another connection, consumer or host, or is of the other kind.
        """
        content = self._decrypted(holder.conn_id, encrypted)
        token = str(content.pop("token"))
        if content != {**asdict(holder), "kind": kind}:
            raise NeedsReconnect(
                f"the tokens in the vault for Airflow connection {holder.conn_id} were given to another connection, "
                f"OAuth key or host; {self._configuration.to_connect}"
            )
        return token

    def encrypt_webhook_secret(self, conn_id: str, secret: str) -> str:
        """A webhook secret encrypted, bound to its connection."""
        return self._encrypted({"conn_id": conn_id, "kind": "webhook", "secret": secret})

    def decrypt_webhook_secret(self, conn_id: str, encrypted: str) -> str:
        """The secret that ``encrypt_webhook_secret`` took.

        Raises:
            ConfigurationError: none of the keys fits, or it belongs to another connection.
        """
        content = self._decrypted(conn_id, encrypted)
        if content.get("kind") != "webhook" or content.get("conn_id") != conn_id:
            raise ConfigurationError(
                f"the webhook secret of Airflow connection {conn_id} was made for another one; "
                f"{self._configuration.to_rotate}"
            )
        return str(content["secret"])

    def encrypt_again(self, conn_id: str, encrypted: str) -> str:
        """The same content, encrypted with the first key.

        Raises:
            ConfigurationError: none of the keys fits.
        """
        self._decrypted(conn_id, encrypted)
        return self._fernet.rotate(encrypted).decode()

    def _encrypted(self, content: dict[str, str]) -> str:
        return self._fernet.encrypt(json.dumps(content).encode()).decode()

    def _decrypted(self, conn_id: str, encrypted: str) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self._fernet.decrypt(encrypted))
        except InvalidToken:
            raise ConfigurationError(
                f"none of the keys in {self._configuration.key_variable} decrypts the tokens of Airflow connection "
                f"{conn_id}; put the key they were encrypted with behind the present one, after a comma, or connect "
                "it again"
            ) from None
        return content
