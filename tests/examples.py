"""How many examples a property tries: a few in each run, all of them where somebody asks for it."""

from __future__ import annotations

import os

FEW = 25


def examples(all_of_them: int) -> int:
    """The number for hypothesis: all of them with ``EXAMPLES=all`` in the environment, otherwise 25 at most."""
    return all_of_them if os.environ.get("EXAMPLES") == "all" else min(FEW, all_of_them)
