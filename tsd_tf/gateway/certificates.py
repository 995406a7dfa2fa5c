"""The certificate that the gateway shows, and whose certificates it accepts; followed as their files change."""

import datetime
import logging
import os
import pathlib
import ssl
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from tsd_tf.contract.errors import UserError
from tsd_tf.contract.file_stamp import file_stamp

_LOG = logging.getLogger(__name__)


class _Loaded(NamedTuple):
    """What the files held, with the files found to fit each other."""

    expiry: datetime.datetime
    for_grpc: Any
    for_https: ssl.SSLContext


class Certificates:
    """The files of a certificate, for gRPC and for HTTPS.

    Connections that begin after a file has changed see its new content. Files that are wrong, or a new certificate
    without its key, leave everything as it was and are told in the log.

    Args:
        cert: PEM file of the certificate, followed by those between it and its authority.
        key: PEM file of its private key, without a passphrase.
        client_ca: PEM file of the authorities of clients, which then must show a certificate; None to ask for none.

    Raises:
        UserError: a file is missing or not what it should be, the key belongs to another certificate, or the
            certificate is not valid today.
    """

    def __init__(
        self, cert: str | os.PathLike, key: str | os.PathLike, client_ca: str | os.PathLike | None = None
    ) -> None:
        self._cert, self._key = pathlib.Path(cert), pathlib.Path(key)
        self._client_ca = None if client_ca is None else pathlib.Path(client_ca)
        self._lock = threading.Lock()  # gRPC asks in threads of its own
        self._stamps, self._loaded = self._stamp(), self._load()

    @property
    def expiry(self) -> datetime.datetime:
        """When the certificate that is shown now expires."""
        return self._current().expiry

    def server_credentials(self) -> grpc.ServerCredentials:
        """Credentials for a port of a gRPC server."""
        shown = self._current().for_grpc

        def newer() -> Any:
            """What gRPC asks at every handshake: None to go on with the last answer."""
            nonlocal shown
            last, shown = shown, self._current().for_grpc
            return None if shown is last else shown

        return grpc.dynamic_ssl_server_credentials(
            shown, newer, require_client_authentication=self._client_ca is not None
        )

    def ssl_context(self) -> ssl.SSLContext:
        """A context for a port of asyncio's or aiohttp's."""
        context = _FollowingContext(ssl.PROTOCOL_TLS_SERVER)
        context.current = lambda: self._current().for_https
        return context

    def _current(self) -> _Loaded:
        with self._lock:
            stamps = self._stamp()
            if stamps != self._stamps:
                self._stamps = stamps
                try:
                    self._loaded = self._load()
                except UserError as error:
                    _LOG.error("%s; the certificate stays as it was", error)
            return self._loaded

    def _stamp(self) -> list[tuple[int, ...] | None]:
        return [None if path is None else file_stamp(path) for path in (self._cert, self._key, self._client_ca)]

    def _load(self) -> _Loaded:
        cert, key = _read(self._cert), _read(self._key)
        client_ca = None if self._client_ca is None else _read(self._client_ca)
        leaf = _certificates(cert, self._cert)[0]
        _check_dates(leaf, self._cert)
        if _private_key(key, self._key).public_key() != leaf.public_key():
            raise UserError(f"the private key in {self._key} does not belong to the certificate in {self._cert}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self._cert, self._key, password="")  # not asked for at the terminal
            if client_ca is not None:
                authorities = _certificates(client_ca, self._client_ca)
                der = b"".join(each.public_bytes(serialization.Encoding.DER) for each in authorities)
                context.load_verify_locations(cadata=der)
                context.verify_mode = ssl.CERT_REQUIRED
        except OSError as error:  # ssl.SSLError is one
            raise UserError(f"cannot use {self._cert} with {self._key}: {error}") from error
        grpc_configuration = grpc.ssl_server_certificate_configuration([(key, cert)], root_certificates=client_ca)
        return _Loaded(leaf.not_valid_after_utc, grpc_configuration, context)


class _FollowingContext(ssl.SSLContext):
    """Makes every connection by the context of the moment.

    Not by a callback that exchanges contexts during the handshake: sessions of before, of clients whose authority is
    accepted no more, could then be resumed.
    """

    current: Callable[[], ssl.SSLContext]

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return self.current().wrap_bio(*args, **kwargs)


def _read(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _certificates(content: bytes, path: pathlib.Path | None) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise UserError(f"expected certificates in PEM, as BEGIN CERTIFICATE, in {path}") from error


def _private_key(content: bytes, path: pathlib.Path) -> Any:
    try:
        return serialization.load_pem_private_key(content, password=None)
    except TypeError as error:
        raise UserError(
            f"the private key in {path} has a passphrase, and nobody is there to enter it: write it without one "
            f"(openssl pkey -in {path} -out ...)"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UserError(f"expected a private key in PEM, as BEGIN PRIVATE KEY, in {path}") from error


def _check_dates(certificate: x509.Certificate, path: pathlib.Path) -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    if now > certificate.not_valid_after_utc:
        raise UserError(f"the certificate in {path} expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    if now < certificate.not_valid_before_utc:
        raise UserError(
            f"the certificate in {path} is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        )
