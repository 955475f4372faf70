"""Why a message did not go out."""


class NotSent(Exception):
    """It did not; the text names the connection and no secret of it.

    Attributes:
        retryable: whether waiting can cure it.
    """

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable
