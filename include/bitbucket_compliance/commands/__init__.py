"""What an operator does from a terminal: ``python -m bitbucket_compliance COMMAND``, a file a command or small group.

Commands read connections and secrets from the environment and write where they are told, never beside the code. Each
registers itself, with its flags and help, by the decorator ``command_line.command`` as its module is imported.
"""

from bitbucket_compliance.commands import (
    connect as connect,
)
from bitbucket_compliance.commands import (
    evidence as evidence,
)
from bitbucket_compliance.commands import (
    exceptions as exceptions,
)
from bitbucket_compliance.commands import (
    explain as explain,
)
from bitbucket_compliance.commands import (
    export as export,
)
from bitbucket_compliance.commands import (
    imports as imports,
)
from bitbucket_compliance.commands import (
    policy as policy,
)
from bitbucket_compliance.commands import (
    review as review,
)
from bitbucket_compliance.commands import (
    upgrade as upgrade,
)
from bitbucket_compliance.commands import (
    webhooks as webhooks,
)
