"""`python -m tests.console_browser.up FOLDER GRANT`: what `make up` starts, with everything it keeps below FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

from local import environment as env


def main() -> int:
    """Hold it until a signal comes."""
    folder, grant = Path(sys.argv[1]), sys.argv[2]
    # Before `web` is imported: its own folders lie below this one.
    env.LOCAL = folder  # type: ignore[misc]
    from local import supervisor, web

    web.PREFERRED_PORT = 0  # type: ignore[misc]
    return supervisor.supervise(lambda: web.run(grant, 0))


if __name__ == "__main__":
    sys.exit(main())
