"""Send a message through an Airflow connection: Slack, e-mail or a webhook, each by the hook of Airflow's own provider.

No error and no log line holds the receiver's address, its answer or a secret: addresses of webhooks are secrets, too.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import smtplib
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from email.utils import formatdate
from typing import Final, cast

import requests
from airflow.sdk import BaseHook, Connection

from bitbucket_cloud.http.limits import Exceeded, LimitedAdapter, LimitedReader, Limits
from bitbucket_compliance.core.airflow_errors import AirflowException, AirflowNotFoundException
from bitbucket_compliance.core.allowed_hosts import check_destination, is_from_environment
from bitbucket_compliance.reporting.notifications import escaping
from bitbucket_compliance.reporting.notifications.changes import Change
from bitbucket_compliance.reporting.notifications.errors import NotificationNotSent
from bitbucket_compliance.reporting.notifications.render import Message, render
from bitbucket_compliance.reporting.notifications.settings import RECIPIENTS, Settings

SIGNATURE: Final = "X-Hub-Signature-256"
SIGNING_KEY: Final = "hmac_secret"
TIMEOUT: Final = 30
# What an answer may bring, and how many times the time-out the whole of it may take.
MOST_BYTES: Final = 1024**2
PATIENCE: Final = 2
# What a server may answer today and not tomorrow; also every 5xx.
_PASSING_STATUSES: Final = (408, 425, 429)


def send(changes: Sequence[Change], settings: Settings, records: Mapping[str, str] | None = None) -> None:
    """Send one message about at least one change through the connection of the settings.

    Args:
        records: newest digest of each workspace's record; those of the changes' workspaces are told.

    Raises:
        NotificationNotSent, DestinationRefused: see ``send_message``.
    """
    send_message(settings, lambda escape: render(changes, escape, records))


def send_message(settings: Settings, compose: Callable[[Callable[[str], str]], Message]) -> None:
    """Send a message through the connection of the settings.

    Args:
        compose: gives the message, every value in it escaped by what it is called with.

    Raises:
        NotificationNotSent: it did not go out, or there is no connection of this id and of a known type.
        DestinationRefused: the connection is stored in Airflow and leads elsewhere than the configuration allows.
    """
    try:
        connection = BaseHook.get_connection(settings.conn_id)
    except AirflowNotFoundException:
        raise NotificationNotSent(
            f"connection {settings.conn_id}: there is none of this id; add it in Airflow under Admin, Connections",
            retryable=False,
        ) from None
    channel = _CHANNELS.get(connection.conn_type or "")
    if channel is None:
        raise NotificationNotSent(
            f"connection {settings.conn_id} is of type {connection.conn_type}: choose slackwebhook, smtp or http",
            retryable=False,
        )
    escape, deliver = channel
    deliver(connection, settings, compose(escape))


def _send_to_slack(connection: Connection, settings: Settings, message: Message) -> None:
    """An incoming webhook of Slack: plain text, no links, no mentions. The password is its token or its whole URL."""
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    if not (connection.password or "").strip():
        raise _wrong(connection, "the webhook's token is missing; enter it as password")
    # Its client knows the address; sent it is from here, for the client reads whatever an answer brings.
    client = SlackWebhookHook(slack_webhook_conn_id=settings.conn_id).client
    body = {"text": message.text, "mrkdwn": False, "parse": "none", "link_names": False}
    body |= {"unfurl_links": False, "unfurl_media": False}
    with requests.Session() as session:
        if client.proxy:
            session.proxies = {"http": client.proxy, "https": client.proxy}
        data = json.dumps(body, ensure_ascii=False).encode()
        session.headers["Content-Type"] = "application/json; charset=utf-8"
        answer = _posted(connection, session, client.url, data, client.timeout)
    if str(answer.headers.get("Content-Type", "")).startswith("text/html"):
        raise _wrong(connection, "a web page answered, perhaps after a redirect; check the address")


def _post(connection: Connection, settings: Settings, message: Message) -> None:
    """A POST of JSON with what Airflow's HTTP connection offers: Basic login, further headers as extras, a proxy.

    With the extra ``hmac_secret`` the body is signed as GitHub signs its own: ``X-Hub-Signature-256: sha256=…``.
    """
    from airflow.providers.http.hooks.http import HttpHook

    if "://" not in (connection.host or "") and not (connection.host and connection.schema in ("http", "https")):
        raise _wrong(connection, "host is no URL; enter the whole one, such as https://example.com/hook")
    content = {"subject": message.subject, "text": message.text, "key": message.key, **message.data}
    body = json.dumps(content, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": message.key}
    secret = str(connection.extra_dejson.get(SIGNING_KEY) or "")
    if secret:
        headers[SIGNATURE] = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    # Not hook.run: it follows redirects, and logs the URL and the answer of what failed.
    hook = HttpHook(http_conn_id=settings.conn_id)
    try:
        session = hook.get_conn(headers)
    except (AirflowException, ValueError) as error:
        raise _not_sent(connection, error, retryable=not isinstance(error, ValueError)) from None
    with session:
        session.headers.pop(SIGNING_KEY, None)  # the hook takes every extra for a header
        _posted(connection, session, hook.url_from_endpoint(None), body, hook.merged_extra.get("timeout") or TIMEOUT)


def _posted(
    connection: Connection, session: requests.Session, url: str, body: bytes, timeout: float
) -> requests.Response:
    """The answer to a POST that the receiver took.

    Raises:
        NotificationNotSent: it did not, or answers without end.
        DestinationRefused: see ``send``; of a proxy that the connection names, too.
    """
    for destination in (url, *session.proxies.values()):
        _check_destination(connection, destination)
    session.auth = session.auth or _no_login
    try:
        for scheme in ("http://", "https://"):
            session.mount(scheme, LimitedAdapter(Limits(MOST_BYTES, PATIENCE * float(timeout))))
        answer = session.post(url, data=body, timeout=timeout, allow_redirects=False)
    except (requests.RequestException, ValueError, TypeError) as error:
        is_wrong = isinstance(error, ValueError | TypeError)
        raise _not_sent(connection, error, retryable=not is_wrong) from None
    _check(connection, answer.status_code)
    return answer


def _send_mail(connection: Connection, settings: Settings, message: Message) -> None:
    """A plain text e-mail to ``COMPLIANCE_NOTIFY_TO``, through an SMTP connection with the extra ``from_email``."""
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    sender = connection.extra_dejson.get("from_email")
    if not sender:
        raise _wrong(connection, "extra from_email is missing; enter the sender's address")
    if not settings.recipients:
        raise _wrong(connection, f"it sends e-mail, and no recipient is named; set {RECIPIENTS}")
    mail = EmailMessage()
    mail["Subject"] = message.subject
    mail["From"] = sender
    mail["To"] = ", ".join(settings.recipients)
    mail["Date"] = formatdate()
    mail["Auto-Submitted"] = "auto-generated"
    mail["Message-ID"] = f"<{message.key}@bitbucket-compliance.invalid>"
    mail.set_content(message.text, cte="quoted-printable")
    _check_destination(connection, f"{connection.host}:{connection.port or smtplib.SMTP_PORT}")

    class LimitedHook(SmtpHook):
        def _build_client(self) -> smtplib.SMTP:
            kind = _LimitedSmtpSsl if self.use_ssl else _LimitedSmtp
            return kind(**self._build_client_kwargs(is_async=False))

    try:
        with LimitedHook(smtp_conn_id=settings.conn_id) as hook:
            # Not hook.send_email_smtp: it sends HTML only, and does not say which recipients were refused.
            refused = cast(smtplib.SMTP, hook._smtp_client).send_message(mail)
    except Exceeded as exceeded:
        raise _not_sent(connection, exceeded.error, retryable=True) from None
    except (smtplib.SMTPException, OSError, AirflowException) as error:
        refused_for_good = isinstance(error, smtplib.SMTPAuthenticationError) or (
            isinstance(error, smtplib.SMTPResponseException) and 500 <= error.smtp_code < 600
        )
        raise _not_sent(connection, error, retryable=not refused_for_good) from None
    if refused:
        raise _wrong(connection, f"the server refused {', '.join(sorted(refused))}")


class _LimitedSmtp(smtplib.SMTP):
    """What the server says in a whole conversation has an end."""

    def getreply(self) -> tuple[int, bytes]:
        """As of any client; raises Exceeded."""
        if self.file is None and self.sock is not None:
            source = self.sock.makefile("rb", buffering=0)
            limits = Limits(MOST_BYTES, PATIENCE * float(self.timeout or TIMEOUT))
            self.file = io.BufferedReader(LimitedReader(source, self.sock, limits))
        try:
            return super().getreply()
        except Exceeded:
            self.close()
            raise


class _LimitedSmtpSsl(smtplib.SMTP_SSL, _LimitedSmtp):
    """The same over TLS from the start."""


_Send = Callable[[Connection, Settings, Message], None]
_CHANNELS: Final[Mapping[str, tuple[Callable[[str], str], _Send]]] = {
    # type of the connection: (makes a text harmless, sends a message)
    "slackwebhook": (escaping.slack, _send_to_slack),
    "smtp": (escaping.plain, _send_mail),
    "http": (escaping.mentionless, _post),
}


def _check_destination(connection: Connection, destination: str) -> None:
    check_destination(connection.conn_id, destination, from_environment=is_from_environment(connection.conn_id))


def _check(connection: Connection, status: int) -> None:
    """Raise unless the receiver took the message."""
    if not 200 <= status < 300:
        retryable = status in _PASSING_STATUSES or status >= 500
        raise NotificationNotSent(
            f"connection {connection.conn_id}: the receiver answered {status}", retryable=retryable
        )


def _wrong(connection: Connection, problem: str) -> NotificationNotSent:
    return NotificationNotSent(f"connection {connection.conn_id}: {problem}", retryable=False)


def _not_sent(connection: Connection, error: Exception, *, retryable: bool) -> NotificationNotSent:
    return NotificationNotSent(
        f"connection {connection.conn_id}: not sent ({type(error).__name__})", retryable=retryable
    )


def _no_login(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """In the place of a login: without one, requests would look for it in .netrc."""
    return request
