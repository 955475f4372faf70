"""The frameworks whose controls the tests give evidence for."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import HTTPException

from compliance_console_app.database import Connection, rows


def known_frameworks(connection: Connection) -> list[str]:
    """Their names, each with its edition."""
    return [found["framework"] for found in rows(connection, "controls/frameworks")]


def chosen_framework(asked: str, frameworks: Sequence[str]) -> str:
    """The framework asked for, or the first where none is.

    Raises:
        HTTPException: 404, there is no such framework.
    """
    if not asked:
        return frameworks[0] if frameworks else ""
    if asked not in frameworks:
        raise HTTPException(404, detail=f"no framework is called {asked[:60]}; choose {', '.join(frameworks)}")
    return asked
