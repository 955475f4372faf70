"""The body of the task of the DAG notification_digest, and of the last task of bitbucket_compliance."""

from collections.abc import Sequence

from bitbucket_compliance.tasks.frame import compliance_postgres, fail_without_retry


def notify(workspace: str | None = None) -> None:
    """Send what changed and was not sent yet, through the connection of ``COMPLIANCE_NOTIFY_CONN_ID``.

    Args:
        workspace: None: every workspace, in one message.
    """
    from bitbucket_compliance.reporting.notifications.changes import Change, tell
    from bitbucket_compliance.reporting.notifications.errors import NotificationNotSent
    from bitbucket_compliance.reporting.notifications.render import render
    from bitbucket_compliance.reporting.notifications.settings import Settings
    from compliance_notifiers.errors import NotSent
    from compliance_notifiers.notifier import ComplianceNotifier
    from compliance_notifiers.senders import sender_for

    settings = Settings.from_environment()

    def send(changes: Sequence[Change]) -> None:
        escape = sender_for(settings.conn_id, settings.recipients).escape
        message = render(changes, escape)
        ComplianceNotifier(
            settings.conn_id, message.subject, message.text, message.data, message.key, settings.recipients
        )({})

    with fail_without_retry():
        settings.check()
    with compliance_postgres() as connection:
        try:
            tell(connection, settings.conn_id, workspace, send)
        except NotSent as error:
            raise NotificationNotSent(str(error), retryable=error.retryable) from None
