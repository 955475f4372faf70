"""The compliance console inside Airflow: a web application under ``/compliance`` and its place in the navigation."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from compliance_console_app.web.login_attempts import LoginAttempts


class Console:
    """The application, made when the first request comes.

    Airflow loads plugins in the process of every task, too, where the console would cost two seconds each time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request (ASGI)."""
        app = self._app or await asyncio.to_thread(self.app)
        await app(scope, receive, send)

    def app(self) -> Any:
        """The FastAPI application."""
        with self._lock:
            if self._app is None:
                from compliance_console_app.app import create_app

                self._app = create_app()
            return self._app


class ComplianceConsole(AirflowPlugin):
    """Connect, see, prove and decide."""

    name = "compliance_console"
    # The base class declares plain lists, so they can't be class variables here.
    fastapi_apps = [{"app": Console(), "url_prefix": "/compliance", "name": "Compliance console"}]  # noqa: RUF012
    fastapi_root_middlewares = [{"middleware": LoginAttempts, "name": "Tries to sign in"}]  # noqa: RUF012
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
