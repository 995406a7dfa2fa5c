"""What can become of a request."""

from tsd_tf.contract.errors import UserError


class UnknownSignatureError(UserError):
    """The server's model has no signature of this name; the message says which server."""


class UnansweredError(UserError):
    """A clip has no answer, but another one may have; the message says why."""


class LateError(UnansweredError):
    """There was no answer in time, which says nothing of whether there is a server."""


class ServerAwayError(UnansweredError):
    """Nobody has answered for as long as was to be waited."""


class UnavailableError(Exception):
    """One attempt found no server, or one that is busy; another one may succeed.

    Args:
        reason: why.
        is_away: whether there is no server, in place of one that is busy.
        retry_after: seconds after which the server asks to be asked again; None if it does not say.
    """

    def __init__(self, reason: str, is_away: bool, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.is_away, self.retry_after = reason, is_away, retry_after
