"""The stages of an SMTP session, each with the time that a server gets for its answer."""

from enum import Enum


class Stage(Enum):
    """A stage of a session, with its timeout in seconds (RFC 5321, section 4.5.3.2)."""

    # Ours: a server that is there answers at once.
    connect = ("connect", 10.0)
    greeting = ("greeting", 300.0)
    # The RFC has no number for these three.
    hello = ("EHLO", 300.0)
    starttls = ("STARTTLS", 300.0)
    login = ("AUTH", 300.0)
    sender = ("MAIL", 300.0)
    recipient = ("RCPT", 300.0)
    data = ("DATA", 120.0)
    # The server has the whole message: giving up early makes a copy at each attempt.
    end_of_data = ("the end of the message", 600.0)

    def __init__(self, title: str, timeout: float) -> None:
        self.title = title
        self.timeout = timeout
