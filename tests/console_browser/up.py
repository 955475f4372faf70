"""`python -m tests.console_browser.up FOLDER [GRANT]`: what `make up` starts, with everything it keeps below FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

from local import environment as env


def main() -> int:
    """Hold it until a signal comes."""
    folder = Path(sys.argv.pop(1))
    # Before `web` is imported: its own folders lie below this one.
    env.LOCAL = folder  # type: ignore[misc]
    from local import web

    web.PREFERRED_PORT = 0  # type: ignore[misc]
    return web.main()


if __name__ == "__main__":
    sys.exit(main())
