"""Checks `headers.py` with only the standard library; `test_headers.py` runs it.

`python headers_on_this_python.py headers.py rfc2047.py texts.json` prints a digest of all the
headers, which must be the same on every version of Python.
"""

from __future__ import annotations

import hashlib
import json
import sys
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType


def load(path: str) -> ModuleType:
    """Return the module in a file, without its package."""
    spec = spec_from_file_location(Path(path).stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def refused(writer: ModuleType, message: bytes, names: list[str]) -> bool:
    """Return whether the check refuses `message`."""
    try:
        writer.check_message(message, names, b"body")
    except writer.MalformedMessage:
        return True
    return False


def run(writer: ModuleType, reader: ModuleType, texts: list[str]) -> str:
    """Write and read headers with each of `texts`; return a digest of them."""
    digest = hashlib.sha256()
    names = ["From", "Subject"]
    for text in texts:
        subject = writer.text_header("Subject", text)
        sender = writer.mailbox_header("From", text, "noreply@univ.example")
        message = sender + subject + b"\r\nbody\r\n"
        assert not refused(writer, message, names), text
        (_, found_sender), (_, found_subject) = reader.headers_of(message)[0]
        assert reader.decoded(found_subject) == text
        assert reader.mailbox(found_sender) == (text, "noreply@univ.example")
        assert str(make_header(decode_header(found_subject))) == text
        parsed = message_from_bytes(message, policy=policy.default)
        assert parsed.keys() == names
        assert parsed["From"].addresses[0].addr_spec == "noreply@univ.example"
        assert refused(writer, b"Bcc: x@x.example\r\n" + message, names)
        assert refused(writer, message.replace(b"\r\nbody", b"\r\n\r\nbody"), names)
        digest.update(message)
    return digest.hexdigest()


if __name__ == "__main__":
    corpus = json.loads(Path(sys.argv[3]).read_text(encoding="utf-8"))
    print(run(load(sys.argv[1]), load(sys.argv[2]), corpus))  # noqa: T201  # its result
