"""The compliance console inside Airflow: a web application under ``/compliance`` and its place in the navigation."""

from airflow.plugins_manager import AirflowPlugin

from compliance_console_app.app import create_app


class ComplianceConsole(AirflowPlugin):
    """Connect, see, prove and decide."""

    name = "compliance_console"
    # The base class declares plain lists, so they can't be class variables here.
    fastapi_apps = [{"app": create_app(), "url_prefix": "/compliance", "name": "Compliance console"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Compliance",
            "href": "compliance/",
            "destination": "nav",
            "url_route": "compliance",
            "nav_top_level": True,
            "icon": "compliance/static/icon.svg",
            "icon_dark_mode": "compliance/static/icon-dark.svg",
        }
    ]
