"""Why a notification could not be sent."""

from bitbucket_compliance.core.errors import PipelineError


class SettingsWrong(PipelineError):
    """The settings of notifications in the environment can't work."""


class NotificationNotSent(PipelineError):
    """A message did not go out; its changes stay untold and go out next time. The text holds no secret."""

    def __init__(self, message: str, *, retryable: bool):
        super().__init__(message)
        self.retryable = retryable
