"""The application that Airflow mounts under ``/compliance``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from compliance_console_app import errors
from compliance_console_app.database import Pool
from compliance_console_app.headers import SecurityHeaders
from compliance_console_app.routers import (
    audit,
    evidence,
    exceptions,
    integrations,
    members,
    overview,
    repositories,
    runs,
    static,
    tests,
)

ROUTERS = (overview, tests, repositories, members, evidence, exceptions, integrations, runs, audit, static)


def create_app() -> FastAPI:
    """The console: every page, its headers, and errors told on a page."""
    app = FastAPI(
        title="Compliance console",
        lifespan=_lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.pool = Pool()
    for module in ROUTERS:
        app.include_router(module.router)
    app.add_middleware(SecurityHeaders)
    errors.install(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.pool.close()
