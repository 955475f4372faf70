"""The notifier, shaped as Airflow's own are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import BaseNotifier

from compliance_notifiers.senders import Message, sender_for


class ComplianceNotifier(BaseNotifier):
    """Sends one message through whatever the connection is: Slack, SMTP or a webhook.

    Args:
        notify_conn_id: Airflow connection of type slackwebhook, smtp or http.
        subject, text: the message; ``text`` escaped by the sender's ``escape``.
        data, key: see ``Message``.
        recipients: e-mail addresses, for an SMTP connection.
    """

    # Nothing is rendered by Airflow: a repository may be called {{ conn.bitbucket_default.password }}.
    template_fields: Sequence[str] = ()

    def __init__(
        self,
        notify_conn_id: str,
        subject: str,
        text: str,
        data: Mapping[str, Any] | None = None,
        key: str = "",
        recipients: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.notify_conn_id = notify_conn_id
        self.message = Message(subject, text, data or {}, key)
        self.recipients = tuple(recipients)

    def notify(self, context: Any) -> None:
        """Send it.

        Raises:
            NotSent: it did not go out.
        """
        sender_for(self.notify_conn_id, self.recipients).send(self.message)
