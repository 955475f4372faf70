"""The media: a class each, chosen by the type of the Airflow connection."""

from __future__ import annotations

import hashlib
import hmac
import json
import smtplib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any, ClassVar, Final, Protocol

import requests
from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

from compliance_notifiers import __version__, escaping
from compliance_notifiers.errors import NotSent

TIMEOUT: Final = (10, 30)
SIGNATURE: Final = "X-Hub-Signature-256"
_USER_AGENT: Final = f"compliance-notifiers/{__version__}"
_SLACK: Final = "hooks.slack.com/services"
_MAY_PASS: Final = (408, 425, 429)


@dataclass(frozen=True)
class Message:
    """What is to be told.

    Attributes:
        subject: one line.
        text: escaped by the ``escape`` of the sender that sends it.
        data: the same as JSON values, for programs.
        key: the same for the same message, however often it is sent.
    """

    subject: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""


class Sender(Protocol):
    """One medium."""

    def escape(self, text: str) -> str:
        """Make a text that others wrote harmless here, as one line."""

    def send(self, message: Message) -> None:
        """Send it.

        Raises:
            NotSent: it did not go out, for all that is known.
        """


class SlackSender:
    """An incoming webhook: connection type ``slackwebhook``, its password the token behind /services/, or the URL."""

    conn_types: ClassVar[tuple[str, ...]] = ("slackwebhook",)

    def __init__(self, connection: Connection, recipients: Sequence[str]) -> None:
        self._conn_id = connection.conn_id
        token = connection.password or ""
        if not token:
            raise NotSent(
                f"connection {self._conn_id}: the webhook's token is missing; enter it as password", retryable=False
            )
        self._url = token if "://" in token else f"{_base(connection, _SLACK)}/{token.lstrip('/')}"

    def escape(self, text: str) -> str:
        """See ``Sender``."""
        return escaping.slack(text)

    def send(self, message: Message) -> None:
        """See ``Sender``. No markup, no links, no mentions but those that Slack's own escapes would ask for."""
        body = {"text": message.text, "mrkdwn": False, "parse": "none", "link_names": False}
        body |= {"unfurl_links": False, "unfurl_media": False}
        _post(self._conn_id, self._url, _bytes(body), {})


class WebhookSender:
    """A POST of JSON: connection type ``http``; host may be the whole URL, or extra ``endpoint`` names the path.

    Login and password make a Basic header, extra ``headers`` further ones. With extra ``hmac_secret`` the body is
    signed as GitHub signs its own: header ``X-Hub-Signature-256: sha256=…``.
    """

    conn_types: ClassVar[tuple[str, ...]] = ("http", "https")

    def __init__(self, connection: Connection, recipients: Sequence[str]) -> None:
        extra = connection.extra_dejson
        self._conn_id = connection.conn_id
        if not connection.host:
            raise NotSent(f"connection {self._conn_id}: host is missing; enter the URL to post to", retryable=False)
        endpoint = str(extra.get("endpoint") or "").lstrip("/")
        base = _base(connection, "")
        self._url = f"{base.rstrip('/')}/{endpoint}" if endpoint else base
        self._secret = str(extra.get("hmac_secret") or "")
        self._headers = {str(name): str(value) for name, value in (extra.get("headers") or {}).items()}
        self._login = (connection.login, connection.password or "") if connection.login else None

    def escape(self, text: str) -> str:
        """See ``Sender``."""
        return escaping.mentionless(text)

    def send(self, message: Message) -> None:
        """See ``Sender``."""
        body = _bytes(
            {"subject": self.escape(message.subject), "text": message.text, "key": message.key, **message.data}
        )
        headers = {**self._headers, "Idempotency-Key": message.key} if message.key else dict(self._headers)
        if self._secret:
            headers[SIGNATURE] = f"sha256={hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()}"
        _post(self._conn_id, self._url, body, headers, self._login)


class EmailSender:
    """A plain text e-mail: connection type ``smtp``, as Airflow's provider reads it; extra ``from_email`` is needed."""

    conn_types: ClassVar[tuple[str, ...]] = ("smtp", "email")

    def __init__(self, connection: Connection, recipients: Sequence[str]) -> None:
        self._conn_id = connection.conn_id
        self._sender = str(connection.extra_dejson.get("from_email") or "")
        self._recipients = list(recipients)
        if not self._sender:
            raise NotSent(
                f"connection {self._conn_id}: extra from_email is missing; enter the sender's address", retryable=False
            )
        if not self._recipients:
            raise NotSent(
                f"connection {self._conn_id} sends e-mail, and no recipient is named: set COMPLIANCE_NOTIFY_TO",
                retryable=False,
            )

    def escape(self, text: str) -> str:
        """See ``Sender``."""
        return escaping.plain(text)

    def send(self, message: Message) -> None:
        """See ``Sender``."""
        mail = EmailMessage()
        mail["Subject"] = self.escape(message.subject)
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._recipients)
        mail["Date"] = formatdate()
        mail["Auto-Submitted"] = "auto-generated"
        if message.key:
            mail["Message-ID"] = f"<{message.key}@compliance-notifiers.invalid>"
        mail.set_content(message.text, cte="quoted-printable")
        try:
            with _mail_server(self._conn_id) as server:
                refused = server.send_message(mail)
        except (smtplib.SMTPException, OSError, AirflowException) as error:
            raise self._not_sent(error) from None
        if refused:
            raise NotSent(
                f"connection {self._conn_id}: the server refused {', '.join(sorted(refused))}", retryable=False
            )

    def _not_sent(self, error: Exception) -> NotSent:
        for_good = isinstance(error, smtplib.SMTPAuthenticationError) or (
            isinstance(error, smtplib.SMTPResponseException) and 500 <= error.smtp_code < 600
        )
        return NotSent(f"connection {self._conn_id}: not sent ({type(error).__name__})", retryable=not for_good)


def sender_for(conn_id: str, recipients: Sequence[str] = ()) -> Sender:
    """The sender of a connection.

    Args:
        recipients: e-mail addresses, for an SMTP connection.

    Raises:
        NotSent: there is no such connection, or none of a type that something can be sent through.
    """
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise NotSent(
            f"connection {conn_id}: there is none of this id; add it in Airflow under Admin, Connections",
            retryable=False,
        ) from None
    for sender in (SlackSender, WebhookSender, EmailSender):
        if connection.conn_type in sender.conn_types:
            return sender(connection, recipients)
    raise NotSent(
        f"connection {conn_id} is of type {connection.conn_type}: choose slackwebhook, smtp or http", retryable=False
    )


def _base(connection: Connection, default_host: str) -> str:
    host = (connection.host or default_host).rstrip("/")
    if "://" in host:
        return host
    # An address like https://host/path, read by Airflow, has its path where the protocol is expected.
    schema = connection.schema or ""
    is_protocol = schema in ("http", "https")
    protocol = schema if is_protocol else "https"
    port = f":{connection.port}" if connection.port and ":" not in host else ""
    server, slash, path = host.partition("/")
    return f"{protocol}://{server}{port}{slash}{path}" + ("" if is_protocol or not schema else f"/{schema}")


def _bytes(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _post(
    conn_id: str, url: str, body: bytes, headers: Mapping[str, str], login: tuple[str, str] | None = None
) -> None:
    """Post JSON. Redirects are not followed, .netrc is not read; neither URL nor answer gets into a message."""
    sent = {"User-Agent": _USER_AGENT, "Content-Type": "application/json; charset=utf-8", **headers}
    try:
        # A function in the place of a login keeps requests from looking for one in .netrc.
        answer = requests.post(
            url, data=body, headers=sent, auth=login or _nobody, timeout=TIMEOUT, allow_redirects=False
        )
    except (requests.RequestException, ValueError) as error:
        raise NotSent(f"connection {conn_id}: no answer ({type(error).__name__})", retryable=True) from None
    if not 200 <= answer.status_code < 300:
        may_pass = answer.status_code in _MAY_PASS or answer.status_code >= 500
        raise NotSent(f"connection {conn_id}: the receiver answered {answer.status_code}", retryable=may_pass)


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _mail_server(conn_id: str) -> Any:
    from compliance_notifiers.mail import MailServer

    return MailServer(conn_id)
