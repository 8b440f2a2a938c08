"""What `doctor` says about a server that our settings do not suit: the setting and its value."""

import ssl

import pytest

from flashnotify.channels.email.smtp import transport
from flashnotify.channels.email.smtp.remedies import remedy as of_error
from flashnotify.channels.email.smtp.stages import Stage
from flashnotify.errors import Misconfigured
from tests.support.certificates import Authority
from tests.support.eventually import eventually
from tests.support.smtp_server import SmtpServer
from tests.unit.channels.email.conftest import Made, email


async def remedy(made: Made, url: str, **settings: object) -> str:
    """Return the remedy for what a check finds."""
    with pytest.raises(Misconfigured) as failure:
        await made(url, **settings).check()
    return str(failure.value.remedy)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_an_untrusted_certificate(authority: Authority, made: Made, scheme: str) -> None:
    tls = authority.server()
    server = SmtpServer(tls=tls) if scheme == "smtps" else SmtpServer(starttls=tls)
    async with server:
        found = await remedy(made, server.url)
        assert "FLASHNOTIFY_SMTP_CA_FILE=/etc/ssl/campus-ca.pem" in found
        await eventually(lambda: server.open == 0)


async def test_a_certificate_for_another_name(authority: Authority, made: Made) -> None:
    async with SmtpServer(tls=authority.server("127.0.0.2")) as server:
        found = await remedy(made, server.url, ca_file=authority.ca_file)
        assert "host name that is in the certificate in FLASHNOTIFY_EMAIL_URL" in found


async def test_no_starttls(smtp: SmtpServer, made: Made) -> None:
    found = await remedy(made, f"{smtp.url}?starttls=require")
    assert "FLASHNOTIFY_EMAIL_URL=smtps://127.0.0.1:465" in found
    assert "FLASHNOTIFY_EMAIL_URL=smtp://127.0.0.1?starttls=never" in found


async def test_a_port_with_tls_spoken_to_without(
    authority: Authority, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_PATIENCE", 0.1)
    async with SmtpServer(tls=authority.server()) as server:
        found = await remedy(made, f"smtp://127.0.0.1:{server.port}")
        assert f"FLASHNOTIFY_EMAIL_URL=smtps://127.0.0.1:{server.port}" in found


async def test_a_port_without_tls_spoken_to_with(smtp: SmtpServer, made: Made) -> None:
    url = f"smtps://127.0.0.1:{smtp.port}"
    found = await remedy(made, url)
    assert f"FLASHNOTIFY_EMAIL_URL=smtp://127.0.0.1:{smtp.port}" in found
    with pytest.raises(Misconfigured):
        await made(url).send(email())


async def test_login(made: Made) -> None:
    async with SmtpServer(accounts={"user": "word"}) as server:
        host = f"127.0.0.1:{server.port}?starttls=never"
        assert "user and password in FLASHNOTIFY_EMAIL_URL" in await remedy(
            made, f"smtp://user:wrong@{host}"
        )
        found = await remedy(made, f"smtp://{host}")
        assert "FLASHNOTIFY_EMAIL_URL=smtp://user:password@127.0.0.1:587" in found


async def test_no_login_offered(smtp: SmtpServer, made: Made) -> None:
    found = await remedy(made, f"smtp://user:word@127.0.0.1:{smtp.port}?starttls=never")
    assert "smtp://user:password@127.0.0.1:587" in found
    assert "FLASHNOTIFY_EMAIL_URL=smtp://127.0.0.1:25" in found


def test_a_certificate_that_is_not_as_rfc_5280_requires(made: Made) -> None:
    """Python 3.13 and newer refuse it, even if its authority is trusted."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = 85
    error.verify_message = "Missing Authority Key Identifier"
    server = made("smtps://mail.univ.example")._server
    found = str(of_error(error, Stage.connect, server))
    assert "certificate of mail.univ.example issued again" in found
    assert "RFC 5280" in found
    assert "Missing Authority Key Identifier" in found
