"""Days of a small workspace that pass without a clock being touched: its roster, its members, its runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.process import SandboxServer
from tests.ageing import age_database, age_objects
from tests.harness import Pipeline
from tests.pipeline.small import people, whole_run, write_csv


class Days:
    """Days of a workspace: its roster, runs, and nights that pass."""

    def __init__(self, pipeline: Pipeline, server: SandboxServer, admin: str, folder: Path):
        self.pipeline, self.server, self._admin, self._folder = pipeline, server, admin, folder

    def roster(self, *rows: tuple[object, ...], header: str = "email,status,end_date") -> None:
        """Import a roster; a number in a row is a day counted from today."""
        today = datetime.now(UTC).date()
        written = [
            [str(today + timedelta(days=cell)) if isinstance(cell, int) else cell for cell in row] for row in rows
        ]
        self.pipeline.take("roster", write_csv(self._folder / "roster.csv", header, written))

    def run(self) -> str:
        return whole_run(self.pipeline, self.server)

    def pass_by(self, days: int) -> None:
        age_database(self._admin, timedelta(days=days))
        age_objects(self.server.state, timedelta(days=days))

    def remove(self, number: int) -> None:
        [workspace] = self.server.state.workspaces
        gone = people()[number].uuid
        workspace.members = [one for one in workspace.members if one.account.uuid != gone]

    def leavers(self) -> list[dict[str, Any]]:
        """Rows of the view."""
        return self.pipeline.query("SELECT * FROM compliance.leavers ORDER BY email, recorded_at")

    def leaver(self) -> dict[str, Any]:
        [row] = self.leavers()
        return row

    def members(self, number: int) -> list[dict[str, Any]]:
        return self.pipeline.query(
            "SELECT * FROM compliance.member_history WHERE display_name = %s ORDER BY valid_from",
            (f"Person {number}",),
        )
