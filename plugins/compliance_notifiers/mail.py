"""An SMTP server through Airflow's own hook: its connection form, TLS, logins and OAuth."""

from __future__ import annotations

import smtplib
from types import TracebackType

from airflow.providers.smtp.hooks.smtp import SmtpHook


class MailServer:
    """A logged-in SMTP client for as long as the context lasts."""

    def __init__(self, conn_id: str) -> None:
        self._hook = _Client(smtp_conn_id=conn_id)

    def __enter__(self) -> smtplib.SMTP:
        self._hook.get_conn()
        return self._hook.client

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._hook.close()


class _Client(SmtpHook):
    """The hook sends HTML only; this one lends its client."""

    @property
    def client(self) -> smtplib.SMTP:
        if not isinstance(self._smtp_client, smtplib.SMTP):
            raise smtplib.SMTPServerDisconnected("no connection")
        return self._smtp_client

    def close(self) -> None:
        if isinstance(self._smtp_client, smtplib.SMTP):
            self._smtp_client.close()
