"""Why nobody was told, for a person who must do something about it."""

from bitbucket_compliance.core.errors import PipelineError


class SettingsWrong(PipelineError):
    """The environment asks for notifications in a way that can't work."""


class NotificationNotSent(PipelineError):
    """A message did not go out; what it would have told stays untold and goes out next time."""

    def __init__(self, message: str, *, retryable: bool):
        super().__init__(message)
        self.retryable = retryable
