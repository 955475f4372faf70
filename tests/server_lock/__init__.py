"""What a server runs: its packages (`requirements.txt`) and the folders its image holds."""

from typing import Final

#: Folders of this project that a server's image holds, as `docker-compose.yaml` copies them.
IMAGE_FOLDERS: Final = ("include/bitbucket_compliance", "plugins", "dags")
#: Locks of what it installs: a server's own, and Celery with what that needs on top.
LOCKS: Final = ("requirements.txt", "include/distributions/workers/requirements.txt")
