"""Why a notification could not be sent: apart from what sends, which is heavy to import."""

from bitbucket_compliance.core.errors import PipelineError


class NotificationNotSent(PipelineError):
    """A message did not go out; its changes stay untold and go out next time. The text holds no secret."""

    def __init__(self, message: str, *, retryable: bool):
        super().__init__(message)
        self.retryable = retryable
