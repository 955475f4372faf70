"""Tell people of each new alert of ``compliance.alerts``, and of its end: once each, in one message.

What was told is noted as with changes (``integration.notifications_sent``), in the transaction that sends it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.reporting.notifications.render import Message
from bitbucket_compliance.reporting.notifications.send import send_message
from bitbucket_compliance.reporting.notifications.settings import Settings

log = logging.getLogger(__name__)

_SQL: Final = "reporting/notifications"


@dataclass(frozen=True)
class Alert:
    """A row of ``compliance.alerts``, whose columns these are."""

    alert: str
    workspace: str
    subject: str
    severity: str
    title: str
    since: datetime
    reason: str
    hint: str
    runbook: str

    @property
    def place(self) -> str:
        """What it is about."""
        return self.workspace or self.subject

    @property
    def name(self) -> str:
        """Tells it from every other alert; the same when it comes again later."""
        return f"{self.alert}|{self.workspace}|{self.subject}"


@dataclass(frozen=True)
class News:
    """What is told in one message.

    Attributes:
        begun: alerts that nobody was told of yet.
        ended: alerts that people were told of and that are there no longer: key by which each was told, and its name.
    """

    begun: list[Alert] = field(default_factory=list)
    ended: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.begun or self.ended)


def current_alerts(connection: Connection) -> list[Alert]:
    """The alerts there are now, the most severe first. Joins the open transaction."""
    return [Alert(**row) for row in run_sql(connection, f"{_SQL}/current_alerts.sql")]


def tell_alerts(connection: Connection, conn_id: str, send: Callable[[News], None]) -> News:
    """Send what is new of the alerts; nothing is sent where nothing is. Commits.

    Args:
        conn_id: Airflow connection: what was told through one is news to another.
        send: raises where the message did not go out; it is tried again then.

    Returns:
        What was told.
    """
    with connection.transaction():
        run_sql(connection, f"{_SQL}/lock_sender.sql", {"conn_id": conn_id})
        told = {
            row["name"]: row["change_key"]
            for row in run_sql(connection, f"{_SQL}/open_alerts.sql", {"conn_id": conn_id})
        }
        alerts = current_alerts(connection)
        there = {alert.name for alert in alerts}
        news = News(
            begun=[alert for alert in alerts if alert.name not in told],
            ended={key: name for name, key in told.items() if name not in there},
        )
        if news:
            send(news)
            run_sql(
                connection,
                f"{_SQL}/note_alerts.sql",
                {
                    "conn_id": conn_id,
                    "begun": [alert.name for alert in news.begun],
                    "workspaces": [alert.workspace for alert in news.begun],
                    "ended": list(news.ended),
                },
            )
    log.info("progress: %d new alerts and %d ends told through %s", len(news.begun), len(news.ended), conn_id)
    return news


def tell_once(connection: Connection, settings: Settings, alert: Alert, key: str) -> bool:
    """Send an alert that is no row of ``compliance.alerts``, unless it was told under this key before. Commits.

    Returns:
        Whether it was sent now.

    Raises:
        NotificationNotSent, DestinationRefused: see ``send_message``; nothing is noted.
    """
    with connection.transaction():
        run_sql(connection, f"{_SQL}/lock_sender.sql", {"conn_id": settings.conn_id})
        told = connection.execute(
            "SELECT 1 FROM integration.notifications_sent WHERE conn_id = %s AND change_key = %s",
            (settings.conn_id, key),
        ).fetchone()
        if told:
            return False
        send_message(settings, lambda escape: render_alerts(News(begun=[alert]), escape))
        noted = {"conn_id": settings.conn_id, "change_keys": [key], "workspaces": [alert.workspace]}
        run_sql(connection, f"{_SQL}/mark_told.sql", {**noted, "moments": [alert.since]})
    return True


def render_alerts(news: News, escape: Callable[[str], str]) -> Message:
    """The message about them; every value goes through ``escape``."""
    words = []
    if news.begun:
        words.append("1 new alert" if len(news.begun) == 1 else f"{len(news.begun)} new alerts")
    if news.ended:
        words.append("1 is over" if len(news.ended) == 1 else f"{len(news.ended)} are over")
    heading = escape(f"Bitbucket compliance, operations: {', '.join(words)}")
    lines = [heading, ""]
    for alert in news.begun:
        lines += [
            escape(f"[{alert.severity}] {alert.title}: {alert.place}, since {alert.since:%Y-%m-%d %H:%M} UTC"),
            escape(alert.reason),
            escape(f"What to do: {alert.hint} ({alert.runbook})"),
            "",
        ]
    lines += [escape(f"Over: {_ended(name)}") for name in news.ended.values()]
    return Message(heading, "\n".join(lines).strip() + "\n", _data(news), _key(news))


def _ended(name: str) -> str:
    alert, workspace, subject = name.split("|", 2)
    return f"{alert} of {workspace or subject}"


def _data(news: News) -> dict[str, Any]:
    begun = [asdict(alert) | {"since": alert.since.isoformat()} for alert in news.begun]
    return {"alerts": begun, "ended": [_ended(name) for name in news.ended.values()]}


def _key(news: News) -> str:
    """The same when the same is sent again because nobody knows whether it arrived."""
    parts = [f"{alert.name}|{alert.since.isoformat()}" for alert in news.begun] + [f"ended|{key}" for key in news.ended]
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()
