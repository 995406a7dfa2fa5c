"""Where a server listens."""

import contextlib
import errno
import ipaddress
import os
import pathlib
import socket
import stat
from collections.abc import Callable
from typing import TypeVar

import grpc

from tsd_tf.contract.errors import UserError
from tsd_tf.contract.file_stamp import file_stamp

_UNIX = "unix:"
_EVERY = ("0.0.0.0", "::")
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # what binding says of ::1 on a machine without IPv6
_Result = TypeVar("_Result")


class ListenAddress:
    """Where a server takes connections of one protocol; the same host means the same for gRPC and for HTTP.

    Args:
        host: an address of this machine, IPv6 with or without brackets, or a name of it, which stands for all its
            addresses; "0.0.0.0" or "::" for every address of the machine, of IPv4 and IPv6 alike; "unix:FOLDER" for a
            socket in a folder, which is made if it is missing.
        port: 0 for a free one; without meaning for a socket in a folder.
        name: of the protocol; a socket in a folder is FOLDER/name.sock.

    Attributes:
        port: the port in use, once bound.
        is_every: whether every address of the machine is meant.
        is_file: whether it is a socket in a folder.
        is_local: whether nobody but this machine can connect.

    Raises:
        UserError: `host` is empty.
    """

    def __init__(self, host: str, port: int, name: str) -> None:
        self._host, self.port, self._name = host.removeprefix("[").removesuffix("]"), port, name
        self._path: pathlib.Path | None = None
        self._stamp: tuple[int, ...] | None = None
        if self._host.startswith(_UNIX) and self._host != _UNIX:
            self._path = pathlib.Path(self._host.removeprefix(_UNIX)).absolute() / f"{name}.sock"
        elif self._host in ("", _UNIX):
            raise UserError(f"`host` must be an address, a name or unix:FOLDER. Received: host={host}")
        self.is_file = self._path is not None
        self.is_every = self._host in _EVERY
        self.is_local = self._path is not None or _is_loopback(self._host)

    def __str__(self) -> str:
        """As a client of gRPC on this machine takes it: "host:port" or "unix:/path"."""
        if self._path is not None:
            return f"{_UNIX}{self._path}"
        return _with_port({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host), self.port)

    def url(self, scheme: str) -> str:
        """The same for a client of HTTP; what curl calls --unix-socket has no URL, and is "unix:/path"."""
        return str(self) if self._path is not None else f"{scheme}://{self}"

    def bind(self) -> list[socket.socket]:
        """Sockets that asyncio may listen on.

        Raises:
            UserError: it is not possible.
        """
        with contextlib.ExitStack() as stack:
            sockets = self._at_each(lambda *address: stack.enter_context(self._socket(*address)))
            stack.pop_all()
            return sockets

    def bind_grpc(self, server: grpc.aio.Server, credentials: grpc.ServerCredentials | None = None) -> None:
        """Gives a server of gRPC its ports.

        Args:
            server: not started yet.
            credentials: None for no TLS.

        Raises:
            UserError: it is not possible.
        """

        def bind(family: socket.AddressFamily, host: str) -> None:
            # gRPC says on stderr what it cannot bind, and takes a socket in a folder from whoever listens there: so it
            # is tried first.
            port = self.port
            self._socket(family, host).close()
            self.release()
            self.port = port
            target = f"{_UNIX}{host}" if self._path is not None else _with_port(host, self.port)
            if credentials is None:
                self._bound(server.add_insecure_port(target))
            else:
                self._bound(server.add_secure_port(target, credentials))

        self._at_each(bind)

    def release(self) -> None:
        """Removes the socket in a folder, once nobody listens on it, unless another server has taken its place."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                if file_stamp(self._path) == self._stamp:
                    self._path.unlink()

    def _at_each(self, work: Callable[[socket.AddressFamily, str], _Result]) -> list[_Result]:
        """Does the work at each address that the host stands for, and is on this machine."""
        results, absent = [], None
        try:
            for family, host in self._addresses():
                try:
                    results.append(work(family, host))
                except OSError as error:
                    if error.errno not in _ABSENT:
                        raise
                    absent = error
            if absent is not None and not results:
                raise absent
        except (OSError, RuntimeError) as error:  # gRPC's are the latter
            reason = error.strerror if isinstance(error, OSError) else None
            raise UserError(f"cannot listen on {self} ({self._name}): {reason or error}") from error
        return results

    def _addresses(self) -> list[tuple[socket.AddressFamily, str]]:
        if self._path is not None:
            return [(socket.AF_UNIX, os.fspath(self._path))]
        if self.is_every:
            return [(socket.AF_INET6, "::")] if _has_ipv6() else [(socket.AF_INET, "0.0.0.0")]
        found = socket.getaddrinfo(self._host, None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys((family, str(address[0])) for family, *_, address in found))

    def _socket(self, family: socket.AddressFamily, host: str) -> socket.socket:
        """One that is bound."""
        with contextlib.ExitStack() as stack:
            bound = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            if self._path is None:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not self.is_every)
                bound.bind((host, self.port))
                self._bound(bound.getsockname()[1])
            else:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                _remove_leftover(self._path)
                bound.bind(host)
                self._bound(0)
            stack.pop_all()
            return bound

    def _bound(self, port: int) -> None:
        if self._path is None:
            self.port = port
        else:
            self._stamp = file_stamp(self._path)


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True).close()
    except (OSError, ValueError):
        return False
    return True


def _remove_leftover(path: pathlib.Path) -> None:
    """Removes a socket on which nobody listens any more; OSError if somebody does, or it is something else."""
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise FileExistsError(errno.EEXIST, "there is something of that name which is no socket")
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        try:
            client.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:  # so many wait there
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
