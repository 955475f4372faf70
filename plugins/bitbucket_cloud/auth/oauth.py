"""A person's consent (``authorization_code``): the address to send them to, and what to do with the code they bring.

Source: the OAuth 2.0 chapter of Bitbucket's documentation. Bitbucket Cloud knows no PKCE and takes the scopes from the
consumer; who calls this makes ``state``, checks it when the person comes back, and takes it once.
"""

from __future__ import annotations

from urllib.parse import urlencode

from bitbucket_cloud.auth.encryption import Holder
from bitbucket_cloud.auth.key_origins import KeyOrigins
from bitbucket_cloud.auth.token_endpoint import TokenAnswer, TokenEndpoint
from bitbucket_cloud.auth.vault.vault import TokenVault
from bitbucket_cloud.errors import ConfigurationError
from bitbucket_cloud.http.transport import Transport
from bitbucket_cloud.settings import AUTHORIZATION_CODE, Settings

AUTHORIZE_PATH = "/site/oauth2/authorize"


def authorization_url(settings: Settings, state: str, redirect_uri: str | None = None) -> str:
    """Where to send the person who is to consent.

    Args:
        state: unguessable and used once; comes back with the code.
        redirect_uri: where Bitbucket sends the person back to; the consumer's callback address unless given. It must
            begin with that address, and be given to ``connect`` too.

    Raises:
        ConfigurationError: the connection has another grant.
    """
    _require_grant(settings)
    query = {"client_id": settings.login, "response_type": "code", "state": state}
    if redirect_uri is not None:
        query["redirect_uri"] = redirect_uri
    return f"{settings.oauth_url}{AUTHORIZE_PATH}?{urlencode(query)}"


def connect(
    settings: Settings, vault: TokenVault, code: str, *, connected_by: str, redirect_uri: str | None = None
) -> TokenAnswer:
    """Exchange a code for tokens and keep them in the vault.

    Args:
        code: as Bitbucket sent it to the callback address; works once.
        connected_by: who consented, for the record.
        redirect_uri: as given to ``authorization_url``.

    Raises:
        ConfigurationError: the connection has another grant, or its key is bound to other addresses.
        AuthenticationError: Bitbucket refuses the key or secret; GrantRefused where it refuses the code.
        DatabaseUnavailable: the vault can't be written; the code wasn't used then, unless it fails at the very end.
        BitbucketError: the token endpoint can't be reached, limits the rate or fails.
    """
    _require_grant(settings)
    KeyOrigins(settings, vault.database).check()
    transport = Transport(settings)
    try:
        endpoint = TokenEndpoint(settings, transport)
        return vault.connect(Holder.of(settings), lambda: endpoint.exchange(code, redirect_uri), connected_by)
    finally:
        transport.close()


def _require_grant(settings: Settings) -> None:
    if settings.auth != AUTHORIZATION_CODE:
        raise ConfigurationError(
            f"Airflow connection {settings.conn_id} has auth {settings.auth}, which needs no consent; set extra auth "
            f"to {AUTHORIZATION_CODE} to connect it"
        )
