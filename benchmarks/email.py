"""Email end to end: one notification to many, rendered, sent over SMTP and archived.

Against aiosmtplib that sends ready messages; the floor is Postfix's smtp-source.
"""

from benchmarks.notifications import mailboxes
from benchmarks.one_to_many import CONNECTIONS, loop, own
from benchmarks.options import Options
from benchmarks.peers.smtp_loop import BYTES
from benchmarks.processes import outcome, python, require_program, took
from benchmarks.results import Round
from benchmarks.server import flashnotify
from benchmarks.sinks import smtp_sink
from benchmarks.table import Result
from benchmarks.targets import AsGoodAs, AtMost

_MESSAGES = 3000


def measure(options: Options) -> Result:
    """Measure all in turns."""
    messages = options.of(_MESSAGES)
    case = _case(messages)
    with smtp_sink() as port:
        settings = {"EMAIL_URL": f"smtp://127.0.0.1:{port}?starttls=never"}
        with flashnotify(settings) as server:
            own(case, server, mailboxes(messages // 10 + 1))
            rounds = [
                measured
                for _ in range(options.rounds)
                for measured in (
                    _aiosmtplib(port, messages),
                    _smtp_source(port, messages),
                    own(case, server, mailboxes(messages)),
                )
            ]
    return Result(rounds, [AsGoodAs(case, 0.6), AtMost(case, "lag", 0.025)])


def _case(messages: int) -> str:
    return f"one to {messages:,} mailboxes"


def _aiosmtplib(port: int, messages: int) -> Round:
    arguments = (str(port), str(messages), str(CONNECTIONS))
    found = outcome(python("benchmarks.peers.smtp_loop", *arguments))
    return loop(_case(messages), "aiosmtplib", found, messages)


def _smtp_source(port: int, messages: int) -> Round:
    options = {"-s": CONNECTIONS, "-m": messages, "-l": BYTES}
    command = [require_program("smtp-source", "postfix"), "-d"]
    command += [part for name, value in options.items() for part in (name, str(value))]
    found = took([*command, "-t", "p@univ.example", f"127.0.0.1:{port}"])
    return loop(_case(messages), "smtp-source", found, messages)
