import asyncio
import contextlib
import logging
import os
import re
import socket
import ssl
import threading

import grpc
import pytest
from aiohttp import web
from cryptography import x509

from tsd_tf.contract.errors import UserError
from tsd_tf.gateway.certificates import Certificates


class _Servers:
    """A gRPC and an HTTPS server that answer with what they are asked, in a thread: ports of both."""

    def __init__(self, certificates):
        self._certificates, self._ready = certificates, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *exception):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()

        async def echo(request, context):
            return request

        handler = grpc.unary_unary_rpc_method_handler(echo)
        server = grpc.aio.server()
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test", {"Echo": handler})])
        self.grpc_port = server.add_secure_port("127.0.0.1:0", self._certificates.server_credentials())
        await server.start()
        app = web.Application()
        app.router.add_get("/", lambda request: web.Response(text="here"))
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._certificates.ssl_context()).start()
        self.https_port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await asyncio.gather(server.stop(1), runner.cleanup())


def _context(authority, client=None, version=None):
    """What a client trusts and shows."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    if version:
        context.maximum_version = version
    if client:
        context.load_cert_chain(*client)
    return context


def _https(port, context, session=None):
    """Asks an HTTPS server: its certificate's serial number, whether the session was resumed, and the session.

    Raises:
        OSError: it did not answer. With TLS 1.3 a server refuses a client after the handshake is over for that one:
            with an alert, or by closing the connection.
    """
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as connection,
    ):
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
        if not answer.endswith(b"here"):
            raise ConnectionError(f"{answer!r}")
        serial = x509.load_der_x509_certificate(connection.getpeercert(True)).serial_number
        return serial, connection.session_reused, connection.session


def _https_serial(port, authority, client=None):
    return _https(port, _context(authority, client))[0]


def _grpc_serial(port, authority, client=None):
    """Asks a gRPC server: its certificate's serial number, or None if it asks clients for theirs."""
    credentials = grpc.ssl_channel_credentials(
        authority.pem, *((client[1].read_bytes(), client[0].read_bytes()) if client else ())
    )
    # Connections of its own: gRPC would share them.
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(f"localhost:{port}", credentials, options) as channel:
        assert channel.unary_unary("/test/Echo")(b"hello", timeout=30) == b"hello"
    pem = ssl.get_server_certificate(("127.0.0.1", port)) if client is None else None
    return pem and x509.load_pem_x509_certificate(pem.encode()).serial_number


def _serial(cert):
    return x509.load_pem_x509_certificate(cert.read_bytes()).serial_number


def _replace(path, content):
    """As renewing programs do."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    os.replace(new, path)


def test_a_certificate_that_is_renewed_while_the_servers_run(authority, tmp_path, caplog):
    cert, key = authority.write(tmp_path)
    certificates = Certificates(cert, key)
    first = _serial(cert)
    with _Servers(certificates) as servers:

        def shown():
            return _https_serial(servers.https_port, authority), _grpc_serial(servers.grpc_port, authority)

        assert shown() == (first, first)
        new_cert, new_key = authority.issue(days=(-1, 60))
        expiry = certificates.expiry
        with caplog.at_level(logging.ERROR):
            _replace(cert, new_cert)  # and its key not yet
            assert shown() == shown() == (first, first)
            assert certificates.expiry == expiry
            (record,) = caplog.records
            assert "does not belong to the certificate" in record.message
        _replace(key, new_key)
        assert _serial(cert) != first
        assert shown() == (_serial(cert), _serial(cert))
        assert certificates.expiry == x509.load_pem_x509_certificate(new_cert).not_valid_after_utc > expiry
        caplog.clear()
        for content in (b"", new_cert[:200], authority.issue(days=(-9, -8))[0]):
            _replace(cert, content)
            assert shown() == (_serial_of(new_cert), _serial_of(new_cert))
        cert.unlink()
        assert shown() == (_serial_of(new_cert), _serial_of(new_cert))
        assert len(caplog.records) == 4


def _serial_of(pem):
    return x509.load_pem_x509_certificate(pem).serial_number


def test_a_link_that_is_turned_around(authority, tmp_path):
    """As Kubernetes replaces what a secret holds."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        authority.write(tmp_path / name)
    (tmp_path / "data").symlink_to("first")
    for name in ("server.pem", "server.key"):
        (tmp_path / name).symlink_to(f"data/{name}")
    with _Servers(Certificates(tmp_path / "server.pem", tmp_path / "server.key")) as servers:
        assert _https_serial(servers.https_port, authority) == _serial(tmp_path / "first/server.pem")
        (tmp_path / "new").symlink_to("second")
        os.replace(tmp_path / "new", tmp_path / "data")
        assert _https_serial(servers.https_port, authority) == _serial(tmp_path / "second/server.pem")


def test_clients_check_the_server(authority, other_authority, tmp_path):
    with _Servers(Certificates(*authority.write(tmp_path))) as servers:
        with pytest.raises(ssl.SSLCertVerificationError):
            _https_serial(servers.https_port, other_authority)
        with pytest.raises(grpc.RpcError) as caught:
            _grpc_serial(servers.grpc_port, other_authority)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def mutual(authority, other_authority, tmp_path):
    """Servers that ask for certificates of an authority, the file of that authority, and two clients."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    clients = [each.write(tmp_path, f"client{each is authority}") for each in (authority, other_authority)]
    with _Servers(Certificates(*authority.write(tmp_path), client_ca=ca)) as servers:
        yield servers, ca, *clients


def _refused_everywhere(servers, authority, client):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _https_serial(servers.https_port, authority, client)
    with pytest.raises(grpc.RpcError) as caught:
        _grpc_serial(servers.grpc_port, authority, client)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_clients_must_show_a_certificate_of_the_authority(mutual, authority, other_authority, tmp_path):
    servers, ca, client, other = mutual
    _https_serial(servers.https_port, authority, client)
    _grpc_serial(servers.grpc_port, authority, client)
    for stranger in (None, other, authority.write(tmp_path, "expired", days=(-9, -8))):
        _refused_everywhere(servers, authority, stranger)
    _replace(ca, other_authority.pem)  # instead of the first one, not beside it
    _https_serial(servers.https_port, authority, other)
    _grpc_serial(servers.grpc_port, authority, other)
    _refused_everywhere(servers, authority, client)
    _replace(ca, "# Müller\n".encode() + authority.pem + other_authority.pem)
    for each in (client, other):
        _https_serial(servers.https_port, authority, each)
        _grpc_serial(servers.grpc_port, authority, each)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_of_before_does_not_outlast_its_authority(mutual, authority, other_authority, version):
    servers, ca, client, _ = mutual
    context = _context(authority, client, version)
    _, _, session = _https(servers.https_port, context)
    _, is_resumed, session = _https(servers.https_port, context, session)
    assert is_resumed
    _replace(ca, other_authority.pem)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _https(servers.https_port, context, session)


def test_old_versions_of_tls_are_refused(authority, tmp_path):
    with _Servers(Certificates(*authority.write(tmp_path))) as servers:
        context = ssl.create_default_context(cadata=authority.pem.decode())
        context.set_ciphers("ALL:@SECLEVEL=0")
        with contextlib.suppress(DeprecationWarning):
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with (
            socket.create_connection(("127.0.0.1", servers.https_port), timeout=30) as plain,
            pytest.raises(OSError, match="(?i)version|protocol|reset"),
        ):
            context.wrap_socket(plain, server_hostname="localhost")


def test_what_is_wrong_at_the_start(authority, other_authority, tmp_path):
    cert, key = authority.write(tmp_path)
    _, other_key = other_authority.write(tmp_path, "other")
    _, locked = authority.write(tmp_path, "locked", passphrase=b"secret")
    old = authority.write(tmp_path, "old", days=(-3, -1))
    early = authority.write(tmp_path, "early", days=(2, 3))
    text = tmp_path / "text"
    text.write_text("no certificate\n")
    day = re.escape(str(x509.load_pem_x509_certificate(old[0].read_bytes()).not_valid_after_utc.date()))
    for paths, message in (
        ((tmp_path / "none", key), "cannot read .*none: No such file"),
        ((cert, tmp_path / "none"), "cannot read .*none: No such file"),
        ((cert, key, tmp_path / "none"), "cannot read .*none: No such file"),
        ((cert, other_key), r"the private key in .*other.key does not belong to the certificate in .*server.pem"),
        ((cert, locked), r"the private key in .*locked.key has a passphrase"),
        (old, rf"the certificate in .*old.pem expired on {day}"),
        (early, r"the certificate in .*early.pem is valid from "),
        ((text, key), "expected certificates in PEM.* in .*text"),
        ((cert, text), "expected a private key in PEM.* in .*text"),
        ((cert, key, text), "expected certificates in PEM.* in .*text"),
        ((key, cert), "expected certificates in PEM.* in .*server.key"),
    ):
        with pytest.raises(UserError, match=message):
            Certificates(*paths)
