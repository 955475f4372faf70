"""`python -m tests.dashboards.screenshots`: take the pictures of docs/dashboard.md anew (needs Chromium)."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from bitbucket_compliance.security_tests.upgrade import upgrade
from local.postgres import EmbeddedPostgres
from local.superset import install
from tests.dashboards.browser.looking import Dashboard
from tests.dashboards.world import CHROMIUM, CHROMIUM_OPTIONS, fill, served

DOCS = Path(__file__).resolve().parents[2] / "docs"
WIDTH = 1440


def main() -> None:
    """Write docs/dashboard.png (the top), dashboard-full.png and dashboard-filtered.png."""
    install()
    with tempfile.TemporaryDirectory() as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres")
        try:
            postgres.start()
            os.environ["COMPLIANCE_FOLDER"] = folder  # evidence files of the demo
            upgrade(postgres.uri())
            fill(postgres.uri(), gates=True)
            with served(postgres.uri(), Path(folder)) as server, sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
                page = browser.new_page(viewport={"width": WIDTH, "height": 900})
                shown = Dashboard(page, server)
                shown.sign_in("viewer", "viewer-password")
                shown.open()
                _take(shown, "dashboard.png", 1155)
                _take(shown, "dashboard-full.png", None)
                shown.filter_by("project", "CORE")
                _take(shown, "dashboard-filtered.png", 1155)
                browser.close()
        finally:
            postgres.delete()


def _take(shown: Dashboard, name: str, height: int | None) -> None:
    """A picture in 256 colours: a third of the bytes, and nobody sees it."""
    page = shown.page
    if height is None:
        grid = page.locator(".grid-content").bounding_box()
        height = int(grid["y"] + grid["height"]) + 24 if grid else 2800
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.mouse.move(WIDTH - 2, height - 2)
    page.wait_for_timeout(2500)  # charts grow into place
    shown.settle()
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(256).save(DOCS / name, optimize=True)


if __name__ == "__main__":
    main()
