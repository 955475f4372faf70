"""Encrypts tokens and webhook secrets, each together with what it belongs to, and each kind with keys of its own.

The keys come from environment variables and from nowhere else, so neither who reads the database nor who holds
Airflow's own Fernet key holds the tokens. The receiver of webhooks, which faces the internet, gets the keys of webhook
secrets alone: they open no token.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, Self

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


class _Encryption(ABC):
    """Encrypts with the first key, decrypts with any.

    Args:
        keys: Fernet keys separated by commas.
        configuration: which environment variable they come from, and what messages advise.

    Raises:
        ConfigurationError: there is no key, or one of them isn't a key. No message shows any of it.
    """

    #: What is encrypted, for messages.
    what: ClassVar[str]
    _way_out: ClassVar[str]

    def __init__(self, keys: str, configuration: Configuration = DEFAULTS) -> None:
        self._configuration = configuration
        variable = self.variable(configuration)
        given = _listed(keys)
        if not given:
            raise ConfigurationError(
                f"the environment variable {variable}, the key that encrypts {self.what}, is not set; "
                f"{_HOW_TO_MAKE_ONE}"
            )
        try:
            self._fernet = MultiFernet([Fernet(key) for key in given])
        except ValueError:
            raise ConfigurationError(
                f"the environment variable {variable} holds something that is no Fernet key (or several, "
                f"separated by commas); {_HOW_TO_MAKE_ONE}"
            ) from None

    @classmethod
    @abstractmethod
    def variable(cls, configuration: Configuration) -> str:
        """The environment variable that holds the keys."""

    @classmethod
    def from_environment(cls, configuration: Configuration) -> Self:
        """With the keys of the environment variable that the configuration names."""
        return cls(os.environ.get(cls.variable(configuration), ""), configuration)

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
                f"none of the keys in {self.variable(self._configuration)} decrypts the {self.what} of Airflow "
                f"connection {conn_id}; put the key they were encrypted with behind the present one, after a comma, or "
                f"{self._way_out.format(configuration=self._configuration)}"
            ) from None
        return content


class TokenEncryption(_Encryption):
    """Encrypts the OAuth tokens of connections."""

    what = "tokens"
    _way_out = "connect it again"

    @classmethod
    def variable(cls, configuration: Configuration) -> str:
        """As ``Configuration.key_variable`` says."""
        return configuration.key_variable

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


class WebhookEncryption(_Encryption):
    """Encrypts the secrets that Bitbucket signs deliveries with."""

    what = "webhook secrets"
    _way_out = "{configuration.to_rotate}"

    @classmethod
    def variable(cls, configuration: Configuration) -> str:
        """As ``Configuration.webhook_key_variable`` says."""
        return configuration.webhook_key_variable

    @classmethod
    def beside_tokens(cls, configuration: Configuration) -> Self:
        """As ``from_environment``, where the keys of tokens are at hand too.

        Raises:
            ConfigurationError: also where both kinds have a key in common: the receiver would hold that of the tokens.
        """
        tokens = TokenEncryption.variable(configuration)
        variable = cls.variable(configuration)
        if set(_listed(os.environ.get(tokens, ""))) & set(_listed(os.environ.get(variable, ""))):
            raise ConfigurationError(
                f"the environment variables {tokens} and {variable} hold the same key, which the receiver of webhooks "
                f"would have as well; {_HOW_TO_MAKE_ONE} for {variable}"
            )
        return cls.from_environment(configuration)

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


def _listed(keys: str) -> list[str]:
    return [key.strip() for key in keys.split(",") if key.strip()]
