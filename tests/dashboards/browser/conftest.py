"""Superset over the demo workspace, and a browser in front of it; skipped where one of the two is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from local.postgres import EmbeddedPostgres
from local.superset import is_installed
from tests.dashboards.browser.looking import Dashboard
from tests.dashboards.world import CHROMIUM, CHROMIUM_OPTIONS, Served, fill, served
from tests.databases import copied


@pytest.fixture(scope="session", autouse=True)
def _what_is_needed() -> None:
    if not is_installed():
        pytest.skip("Superset is not installed in .venv-superset: make test-dashboard installs it")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium")


@pytest.fixture(scope="session")
def demo(postgres: EmbeddedPostgres, _what_is_needed: None) -> Iterator[str]:
    """A database with the demo workspace and its past; its address."""
    with copied(postgres, "dashboard_demo") as address:
        fill(address)
        yield address


@pytest.fixture(scope="session")
def server(demo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(demo, tmp_path_factory.mktemp("superset")) as running:
        yield running


@pytest.fixture(scope="session")
def browser(_what_is_needed: None) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=Path(CHROMIUM), args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Pages without a session."""
    pages: list[Page] = []

    def make() -> Page:
        pages.append(browser.new_page(viewport={"width": 1440, "height": 2800}))
        return pages[-1]

    yield make
    for page in pages:
        page.close()


@pytest.fixture(scope="session")
def opened(server: Served, browser: Browser) -> Iterator[Dashboard]:
    """The dashboard in the eyes of the administrator, all charts drawn. Tests that change it reload it."""
    page = browser.new_page(viewport={"width": 1440, "height": 2800})
    shown = Dashboard(page, server)
    shown.sign_in("admin", "admin-password")
    shown.open()
    yield shown
    page.close()
