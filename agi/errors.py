# ruff: noqa: N818 # each is named for what happened to the caller
"""What can go wrong on the wire to Asterisk, and what it means for the caller.

The names on the left are pyst2's, ours say the same thing more precisely::

    AGIException                         pyst2
    └── AGIError                         pyst2
        ├── AGIAppError                  pyst2
        │   ├── AGIHangup                pyst2
        │   │   └── Hangup               the call has left this conversation; a normal end
        │   │       └── DeadChannel      the same, learnt from a 511
        │   ├── AGIDBError               pyst2, a key that is not in Asterisk's database
        │   └── AppFailed                a command failed; the caller is still there: go on
        ├── AGIInvalidCommand            pyst2, 510: Asterisk does not know the command
        │   └── UnknownCommand
        ├── AGIUsageError                pyst2, 520: the command was used wrongly
        │   └── WrongUsage
        ├── AGIUnknownError              pyst2
        │   └── ProtocolError            replies can no longer be trusted; caller to the fallback
        ├── DeadlineExceeded             Asterisk, or we, took too long; caller to the fallback
        └── Refused                      we would not send that; nothing was sent: go on

    ManagerError                         the manager interface (AMI)
    ├── ActionFailed                     Asterisk answered the action with an error
    └── NotConnected                     there is no connection, or it broke before the answer

After `Hangup`, `ProtocolError` and `DeadlineExceeded` a session is over: every further command
raises the same error again and nothing more is written. After the others it goes on.
``except AppFailed`` never catches a hangup, although pyst2's ``AGIAppError`` would.
"""

from asterisk.agi import (
    AGIAppError,
    AGIDBError,
    AGIError,
    AGIException,
    AGIHangup,
    AGIInvalidCommand,
    AGIUnknownError,
    AGIUsageError,
)

__all__ = [
    "AGIAppError",
    "AGIDBError",
    "AGIError",
    "AGIException",
    "AGIHangup",
    "AGIInvalidCommand",
    "AGIUnknownError",
    "AGIUsageError",
    "ActionFailed",
    "AppFailed",
    "DeadChannel",
    "DeadlineExceeded",
    "Hangup",
    "ManagerError",
    "NotConnected",
    "ProtocolError",
    "Refused",
    "UnknownCommand",
    "WrongUsage",
]


class Hangup(AGIHangup):  # type: ignore[misc] # pyst2 ships no types
    """The call has left this conversation: the line HANGUP, the end of the stream, or a reset."""


class DeadChannel(Hangup):
    """511: the command needs a living channel and this one is gone."""


class AppFailed(AGIAppError):  # type: ignore[misc] # pyst2 ships no types
    """``result=-1`` while the caller is still there, for example a sound that does not exist."""


class UnknownCommand(AGIInvalidCommand):  # type: ignore[misc] # pyst2 ships no types
    """510: this Asterisk does not know the command."""


class WrongUsage(AGIUsageError):  # type: ignore[misc] # pyst2 ships no types
    """520: Asterisk knows the command but not this use of it; its own words are the message."""


class ProtocolError(AGIUnknownError):  # type: ignore[misc] # pyst2 ships no types
    """What came cannot be a reply, is too long, or belongs to no question."""


class DeadlineExceeded(AGIError):  # type: ignore[misc] # pyst2 ships no types
    """A reply, the header, or the whole conversation took longer than it may."""


class Refused(AGIError, ValueError):  # type: ignore[misc] # pyst2 ships no types
    """The text cannot be sent safely: a control character, or longer than Asterisk reads."""


class ManagerError(Exception):
    """Any failure of the manager interface."""


class ActionFailed(ManagerError):
    """Asterisk answered ``Response: Error``; its Message is ours."""


class NotConnected(ManagerError):
    """No connection to Asterisk's manager, or it broke before the answer came."""
