"""The body of the task of the DAG notification_digest, and of the last task of bitbucket_compliance."""

from bitbucket_compliance.tasks.connected import skip_until_connected
from bitbucket_compliance.tasks.frame import compliance_postgres, fail_without_retry


def notify(workspace: str | None = None) -> None:
    """Send what changed and was not sent yet, through the connection of ``COMPLIANCE_NOTIFY_CONN_ID``.

    Args:
        workspace: None: every workspace, in one message.
    """
    from bitbucket_compliance.reporting.notifications.changes import tell
    from bitbucket_compliance.reporting.notifications.send import send
    from bitbucket_compliance.reporting.notifications.settings import Settings
    from bitbucket_compliance.reporting.record.verify import newest_digests

    settings = Settings.from_environment()
    with fail_without_retry():
        settings.check()
    with skip_until_connected(), compliance_postgres() as connection:
        tell(
            connection, settings.conn_id, workspace, lambda changes: send(changes, settings, newest_digests(connection))
        )
