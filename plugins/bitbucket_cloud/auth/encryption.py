"""The keys of the token vault: encrypts a token together with what it belongs to.

The keys come from the environment variable ``COMPLIANCE_VAULT_KEY`` and from nowhere else, so neither who reads the
database nor who holds Airflow's own Fernet key holds the tokens.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from bitbucket_cloud.errors import ConfigurationError, NeedsReconnect
from bitbucket_cloud.settings import Settings

KEY_VARIABLE = "COMPLIANCE_VAULT_KEY"
WAY_OUT = "a person has to connect it: Connect in the console, or `make connect`"
_HOW_TO_MAKE_ONE = (
    'make one with: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)

Kind = Literal["access", "refresh"]


@dataclass(frozen=True)
class Holder:
    """Whose tokens these are, and the hosts that may see them; encrypted along with each token.

    A row copied over another one's, or a connection that was bent to another host, gives no token.
    """

    conn_id: str
    consumer: str
    api_url: str
    oauth_url: str

    @classmethod
    def of(cls, settings: Settings) -> Holder:
        """The holder that a connection stands for."""
        return cls(settings.conn_id, settings.login, settings.api_url, settings.oauth_url)


class KeyRing:
    """Encrypts with the first key, decrypts with any.

    Args:
        keys: Fernet keys separated by commas, as ``COMPLIANCE_VAULT_KEY`` has them.

    Raises:
        ConfigurationError: there is no key, or one of them isn't a key. No message shows any of it.
    """

    def __init__(self, keys: str) -> None:
        given = [key.strip() for key in keys.split(",") if key.strip()]
        if not given:
            raise ConfigurationError(
                f"the environment variable {KEY_VARIABLE}, the key of the token vault, is not set; {_HOW_TO_MAKE_ONE}"
            )
        try:
            self._fernet = MultiFernet([Fernet(key) for key in given])
        except ValueError:
            raise ConfigurationError(
                f"the environment variable {KEY_VARIABLE} holds something that is no Fernet key (or several, "
                f"separated by commas); {_HOW_TO_MAKE_ONE}"
            ) from None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> KeyRing:
        """The keys of this process's environment, or of the one given."""
        return cls((os.environ if environment is None else environment).get(KEY_VARIABLE, ""))

    def __repr__(self) -> str:
        """Shows nothing."""
        return "<KeyRing>"

    def seal(self, holder: Holder, kind: Kind, token: str) -> str:
        """``token`` encrypted, bound to its holder and kind."""
        content = json.dumps({**asdict(holder), "kind": kind, "token": token})
        return self._fernet.encrypt(content.encode()).decode()

    def open(self, holder: Holder, kind: Kind, sealed: str) -> str:
        """The token that ``seal`` took.

        Raises:
            ConfigurationError: none of the keys fits.
            NeedsReconnect: it belongs to another connection, consumer or host, or is of the other kind.
        """
        content = json.loads(self._decrypted(holder.conn_id, sealed))
        token = str(content.pop("token"))
        if content != {**asdict(holder), "kind": kind}:
            raise NeedsReconnect(
                f"the tokens in the vault for Airflow connection {holder.conn_id} were given to another connection, "
                f"OAuth key or host; {WAY_OUT}"
            )
        return token

    def seal_webhook_secret(self, conn_id: str, secret: str) -> str:
        """A webhook secret encrypted, bound to its connection."""
        content = json.dumps({"conn_id": conn_id, "kind": "webhook", "secret": secret})
        return self._fernet.encrypt(content.encode()).decode()

    def open_webhook_secret(self, conn_id: str, sealed: str) -> str:
        """The secret that ``seal_webhook_secret`` took.

        Raises:
            ConfigurationError: none of the keys fits, or it belongs to another connection.
        """
        content = json.loads(self._decrypted(conn_id, sealed))
        if content.get("kind") != "webhook" or content.get("conn_id") != conn_id:
            raise ConfigurationError(
                f"the webhook secret of Airflow connection {conn_id} was made for another one; rotate it: "
                "make webhooks ACTION=rotate"
            )
        return str(content["secret"])

    def reseal(self, conn_id: str, sealed: str) -> str:
        """The same content, encrypted with the first key.

        Raises:
            ConfigurationError: none of the keys fits.
        """
        self._decrypted(conn_id, sealed)
        return self._fernet.rotate(sealed).decode()

    def _decrypted(self, conn_id: str, sealed: str) -> bytes:
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise ConfigurationError(
                f"none of the keys in {KEY_VARIABLE} opens the tokens of Airflow connection {conn_id}; put the key "
                "they were encrypted with behind the present one, after a comma, or connect it again"
            ) from None
