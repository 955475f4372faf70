"""The application that Airflow mounts under ``/compliance``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI

from bitbucket_cloud.auth.encryption import WebhookEncryption
from bitbucket_webhooks.app import router as webhooks
from bitbucket_webhooks.database import Database as WebhookDatabase
from compliance_console_app.database import CONFIGURATION, Pool
from compliance_console_app.routers import (
    audit,
    changes,
    controls,
    elsewhere,
    evidence,
    exceptions,
    findings,
    imports,
    integrations,
    members,
    overview,
    packages,
    policies,
    repositories,
    runs,
    search,
    static,
    subjects,
    tests,
    workspaces,
)
from compliance_console_app.web import errors, past
from compliance_console_app.web.headers import QueriesOutOfLogs, SecurityHeaders

ROUTERS = (
    overview,
    findings,
    tests,
    repositories,
    members,
    subjects,
    changes,
    controls,
    packages,
    evidence,
    exceptions,
    policies,
    imports,
    integrations,
    runs,
    audit,
    workspaces,
    search,
    static,
)


def create_app() -> FastAPI:
    """The console: every page, its headers, and errors told on a page; and the receiver of webhooks.

    Bitbucket has no login here: what lets a delivery in is its signature. That route reads no cookie and takes no form,
    so neither permissions nor form tokens apply to it.
    """
    app = FastAPI(
        title="Compliance console",
        lifespan=_lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(errors.can_be_asked_for), Depends(past.only_where_it_can_be_shown)],
    )
    app.state.pool = Pool()
    for module in ROUTERS:
        app.include_router(module.router)
    app.state.webhooks = WebhookDatabase(_address, lambda: WebhookEncryption.from_environment(CONFIGURATION))
    app.include_router(webhooks(app.state.webhooks))
    # The last one: it takes every address that no other page has.
    app.include_router(elsewhere.router)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(QueriesOutOfLogs)
    errors.install(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.pool.close()
    await app.state.webhooks.close()


async def _address() -> str:
    """The database of compliance_postgres, as Airflow knows it when the first delivery comes."""
    from bitbucket_compliance.database.migrate import dsn_of_connection

    return await asyncio.to_thread(dsn_of_connection)
