"""Why a connection fails, where TLS is the reason: gRPC's and urllib's own texts differ from version to version."""

import socket
import ssl
from typing import NamedTuple

_TIMEOUT = 2.0  # seconds
_ALERT_WAIT = 0.5  # seconds; a server that misses a certificate says so after the handshake

_WANTS_CERTIFICATE = "it wants to see a certificate of the client that it believes: `cert` and `key`"

# OpenSSL's numbers, X509_V_ERR_...
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
_OTHER_NAME = (62, 64)


class TlsProblem(NamedTuple):
    """Why TLS fails.

    Attributes:
        reason: words that follow "no connection to SERVER: ".
        is_certain: whether another attempt would end in the same way.
    """

    reason: str
    is_certain: bool = True


def find(host: str, port: int, context: ssl.SSLContext | None) -> TlsProblem | None:
    """Connects once more, with Python's ssl, and says what is wrong.

    Args:
        host, port: of the server.
        context: for connections with TLS; None for those without.

    Returns:
        None if TLS is not the reason.
    """
    if context is None:
        if _speaks_tls(host, port):
            return TlsProblem("it speaks TLS, and `server` asks without: grpcs:// or https://")
        return None
    try:
        with (
            socket.create_connection((host, port), _TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            connection.settimeout(_ALERT_WAIT)
            if not connection.recv(1):  # as gRPC's servers do, which send no alert; but so may one that stops
                return TlsProblem(f"after the handshake it hangs up: perhaps {_WANTS_CERTIFICATE}", False)
    except ssl.SSLCertVerificationError as error:
        return TlsProblem(_of_certificate(error))
    except ssl.SSLError as error:
        reason = _of_handshake(error)
        return TlsProblem(reason) if reason else None
    except OSError:  # with TimeoutError: it waits for a request, as it should
        pass
    return None


def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), _TIMEOUT) as plain, context.wrap_socket(plain):
            return True
    except OSError:
        return False


def _of_certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "its certificate has expired"
    if error.verify_code == _NOT_YET_VALID:
        return "its certificate is not valid yet, or the clock here is wrong"
    if error.verify_code in _OTHER_NAME:
        return f"its certificate is for another host: {error.verify_message.rstrip('.')}"
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return "its certificate is of an authority unknown here, or signed by itself; `ca` names its authority's file"
    return f"its certificate is refused: {error.verify_message}"


def _of_handshake(error: ssl.SSLError) -> str | None:
    reason = error.reason or ""
    if "ALERT" not in reason:
        # What does not begin as TLS does; or an end in the middle, as of a server that stops.
        return "it does not speak TLS" if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE") else None
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return _WANTS_CERTIFICATE
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        return f"it refuses the client's certificate, `cert`: {_words(reason)}"
    return f"it ends the handshake: {_words(reason)}"


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")
