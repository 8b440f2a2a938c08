"""Connect to an SMTP server, over the first of its addresses that answers."""

import asyncio
import socket
import ssl
from dataclasses import replace

import aiohappyeyeballs
from aiosmtplib import SMTPConnectError, SMTPConnectTimeoutError, SMTPException

from flashnotify.channels.email.smtp.protocol import Protocol
from flashnotify.channels.email.smtp.remedies import is_plain_text
from flashnotify.channels.email.smtp.server import Server
from flashnotify.channels.email.smtp.stages import Stage
from flashnotify.errors import why_not_connected

# Seconds until the next address is tried beside the last one (RFC 8305, section 8).
_NEXT_ADDRESS = 0.25


async def connect(server: Server) -> Protocol:
    """Return a connection, with TLS if it begins with that. Raise SMTPException or OSError."""
    host, port = server.host, server.port
    loop = asyncio.get_running_loop()
    tls = server.encryption == "tls"
    try:
        async with asyncio.timeout(Stage.connect.timeout):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            # A black hole behind the first address, often IPv6, must not hide the others.
            connected = await aiohappyeyeballs.start_connection(
                found, happy_eyeballs_delay=_NEXT_ADDRESS
            )
            _, protocol = await loop.create_connection(
                Protocol,
                sock=connected,
                ssl=server.tls if tls else None,
                server_hostname=host if tls else None,
            )
    except TimeoutError:
        late = f"no connection to {host} on port {port} within {Stage.connect.timeout:g} s"
        raise SMTPConnectTimeoutError(late) from None
    except ssl.SSLError:
        raise
    except OSError as error:
        reason = why_not_connected(error)
        raise SMTPConnectError(f"Error connecting to {host} on port {port}: {reason}") from error
    return protocol


async def expects_tls(server: Server) -> bool:
    """Return whether the server speaks TLS from the start, whatever its certificate is worth."""
    try:
        protocol = await connect(replace(server, encryption="tls"))
    except ssl.SSLError as error:
        return not is_plain_text(error)
    except (SMTPException, OSError):
        return False
    protocol.close()
    return True
