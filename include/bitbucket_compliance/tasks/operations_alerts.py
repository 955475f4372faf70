"""The body of the task of the DAG operations_alerts."""

import logging

from bitbucket_compliance.tasks import metrics
from bitbucket_compliance.tasks.connected import skip_until_connected
from bitbucket_compliance.tasks.frame import compliance_postgres, fail_without_retry

log = logging.getLogger(__name__)


def tell() -> None:
    """Log every alert; send what is new through the connection of ``COMPLIANCE_NOTIFY_CONN_ID``, if there is one.

    The figures of every workspace go to Airflow's metrics, so that ages grow there while no run ends.
    """
    from bitbucket_compliance.reporting.notifications.alerts import current_alerts, render_alerts, tell_alerts
    from bitbucket_compliance.reporting.notifications.send import send_message
    from bitbucket_compliance.reporting.notifications.settings import Settings

    settings = Settings.from_environment()
    with skip_until_connected(), compliance_postgres() as connection:
        for alert in current_alerts(connection):
            log.warning("%s: %s: %s %s (%s)", alert.alert, alert.place, alert.reason, alert.hint, alert.runbook)
        connection.commit()
        metrics.report(connection)
        if not settings.conn_id:
            return
        with fail_without_retry():
            tell_alerts(
                connection,
                settings.conn_id,
                lambda news: send_message(settings, lambda escape: render_alerts(news, escape)),
            )
