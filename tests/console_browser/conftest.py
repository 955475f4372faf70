"""One Airflow and one Chromium for the story; skipped where no Chromium starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.console_browser.looking import Visitor
from tests.console_browser.world import Airflow, NoBrowser, airflow_in, open_browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            opened = open_browser(playwright)
        except NoBrowser as reason:
            pytest.skip(str(reason))
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def airflow(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    with airflow_in(tmp_path_factory.mktemp("console")) as running:
        yield running


@pytest.fixture(scope="session")
def visitor(browser: Browser, airflow: Airflow) -> Iterator[Callable[[str], Visitor]]:
    """``visitor("owner")``: that person's browser, signed in."""
    opened: dict[str, Visitor] = {}

    def enter(user: str) -> Visitor:
        if user not in opened:
            opened[user] = Visitor(browser, airflow, user)
            opened[user].sign_in()
        return opened[user]

    yield enter
    for one in opened.values():
        one.close()


@pytest.fixture(scope="session")
def phone(browser: Browser, airflow: Airflow) -> Iterator[Visitor]:
    """The owner with a phone."""
    opened = Visitor(browser, airflow, "owner", width=390, height=844)
    opened.sign_in()
    yield opened
    opened.close()
