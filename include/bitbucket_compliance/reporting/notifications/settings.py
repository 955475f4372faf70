"""The settings of notifications, from the environment. Parsing a DAG file reads them: nothing heavy is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CONN_ID: Final = "COMPLIANCE_NOTIFY_CONN_ID"
DIGEST: Final = "COMPLIANCE_NOTIFY_DIGEST"
RECIPIENTS: Final = "COMPLIANCE_NOTIFY_TO"
DAILY: Final = "daily"


@dataclass(frozen=True)
class Settings:
    """Whom to notify, through what and when.

    Attributes:
        conn_id: Airflow connection to send through; empty: notifications are off.
        digest: empty: after each run; ``daily``: once a day, about all workspaces.
        recipients: e-mail addresses, for a connection of type smtp.
    """

    conn_id: str = ""
    digest: str = ""
    recipients: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read ``COMPLIANCE_NOTIFY_CONN_ID``, ``COMPLIANCE_NOTIFY_DIGEST`` and ``COMPLIANCE_NOTIFY_TO``."""
        return cls(
            conn_id=environment.get(CONN_ID, "").strip(),
            digest=environment.get(DIGEST, "").strip().lower(),
            recipients=tuple(part.strip() for part in environment.get(RECIPIENTS, "").split(",") if part.strip()),
        )

    def check(self) -> None:
        """Raise where they can't work.

        Raises:
            NotificationNotSent: no connection is named, or the digest is of an unknown kind.
        """
        from bitbucket_compliance.reporting.notifications.errors import NotificationNotSent

        if not self.conn_id:
            raise NotificationNotSent(
                f"notifications are off: set {CONN_ID} to the id of an Airflow connection", retryable=False
            )
        if self.digest not in ("", DAILY):
            raise NotificationNotSent(
                f"{DIGEST}={self.digest}: write {DAILY}, or leave it empty for one after each run", retryable=False
            )

    @property
    def after_each_run(self) -> bool:
        """Whether each run ends with a message; also where the digest is of an unknown kind: the task says so."""
        return bool(self.conn_id) and self.digest != DAILY

    @property
    def daily(self) -> bool:
        """Whether the digest is on."""
        return bool(self.conn_id) and self.digest == DAILY
