"""Everything that can go wrong between us and a mail server, as a small tree.

    ConnectorError
      Unreachable          network, time-out, server closing: try again at the next poll
        TooManyConnections   a limit of the server's is reached: mailboxes of one server take turns
        MailboxClosed        signed in, but the server does not open this mailbox (for now, or for good)
      NeedsPerson          polling this mailbox stops until a person has acted
        LoginRefused         wrong password, expired token, account locked
        CertificateRefused   TLS could not be trusted
        SetupWrong           the server lacks what the settings ask for (no such inbox, no API)
      FolderMissing        the target folder does not exist: leave the message, say so
      MessageGone          a person moved or deleted it first: normal life, record it and go on
      MessageTouched       a person flagged or answered it first: the same
      ActionRefused        the server said no (quota, permission, race): leave the message, say so
      Unexplained          the server answered what we cannot explain: leave the message, look closer

Two questions shape it: whose fault is it, and is it worth trying again? No other exception leaves a connector.
"""

from connectors.printable import printable


class ConnectorError(Exception):
    """A mail server could not do what we asked. `str()` names the place, the fact and the next step."""

    next_step = "Run `postroom check` to look closer."

    def __init__(self, place: str, fact: str, next_step: str | None = None) -> None:
        self.place, self.fact = printable(place), printable(fact)  # a folder's name, a server's word
        if next_step is not None:
            self.next_step = printable(next_step)
        super().__init__(self.place, self.fact, self.next_step)

    def __str__(self) -> str:
        return f"{self.place}: {self.fact} {self.next_step}".strip()


class Unreachable(ConnectorError):
    """The server did not answer, or stopped answering. Worth another try at the next poll."""

    next_step = "Postroom tries again at the next poll."


class TooManyConnections(Unreachable):
    """The server takes no more connections now: a limit of its own is reached. One that closes may make room."""

    next_step = (
        "Postroom tries again, later each time. If it stays, raise the server's limit of connections for one user or "
        "from one address."
    )


class MailboxClosed(Unreachable):
    """The server took the login and does not open the mailbox: Exchange's "authenticated but not connected".

    A right is missing, or Exchange has trouble of its own and says so in the same words. Trying again harms neither:
    the login itself was right, so it locks nothing.
    """

    next_step = "Run `postroom check`: it prints what an administrator has to grant. Postroom tries again meanwhile."


class NeedsPerson(ConnectorError):
    """Trying again by ourselves would only make it worse. Polling stops for this mailbox."""


class LoginRefused(NeedsPerson):
    """The server does not accept the user or its secret."""

    next_step = "Check `user` and the credential, then restart the service: systemd hands over a new secret only then."


class CertificateRefused(NeedsPerson):
    """The server's certificate cannot be trusted, so no password was sent."""

    next_step = (
        "Check `host`, or name the CA that signed the certificate with `ca_file`; a certificate that signed itself is "
        "named by `fingerprint`."
    )


class SetupWrong(NeedsPerson):
    """The settings ask for something that the server does not have."""

    next_step = "Correct the mailbox's settings."


class FolderMissing(ConnectorError):
    """The target folder does not exist. We never create folders in a shared mailbox."""

    next_step = "Create the folder, or correct its name in the settings."


class MessageGone(ConnectorError):
    """The message is no longer where we saw it: a person or a rule was faster. News, not a failure."""

    next_step = ""


class MessageTouched(ConnectorError):
    """The message carries a flag now by which it is not ours to touch: a person was faster. It is where it was."""

    next_step = ""


class ActionRefused(ConnectorError):
    """The server refused the action. The message is where it was."""


class Unexplained(ConnectorError):
    """The server's answer does not say where the message is. Nothing more is done to it."""
