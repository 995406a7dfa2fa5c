"""The connections of a gRPC server, which shows none of them: found among the sockets of this process."""

import asyncio
import collections
import contextlib
import functools
import math
import os
import pathlib
import socket
import stat
import struct
from collections.abc import Callable, Iterable, Iterator

from tsd_tf.serving.arrivals import Arrivals
from tsd_tf.serving.connections import Connection, Connections
from tsd_tf.serving.peer import Peer

_DESCRIPTORS = pathlib.Path("/proc/self/fd")
_SECONDS = 0.1  # between two looks
_REST = 20  # times as long as a look takes it rests
_TCP_INFO_BYTES, _BYTES_RECEIVED_AT = 136, 128  # struct tcp_info of linux/tcp.h


class _Open:
    """A socket of the server."""

    def __init__(self, number: int, inode: int, peer: Peer) -> None:
        self.number, self.inode, self.peer = number, inode, peer
        self.connection: Connection | None = None
        # (time, bytes received on the socket and not in whole messages) at looks, the first of them before the oldest
        # request that is not whole began
        self.looks: collections.deque[tuple[float, int]] = collections.deque([(-math.inf, 0)])


class GrpcConnections:
    """Bounds a gRPC server's connections for each address, and estimates the messages that it holds in part.

    gRPC itself bounds connections in all, and the time that an idle one may take; it knows no addresses, and shows no
    message before it is whole. The kernel knows both: whose a socket is, and how many bytes have come from it. Where it
    does not say so, on other systems than Linux, there are gRPC's own bounds alone.

    Args:
        port: that the server listens on.
        connections: where each is entered.
        arrivals: where messages in part are entered.
    """

    def __init__(self, port: int, connections: Connections, arrivals: Arrivals) -> None:
        self._port, self._connections, self._arrivals = port, connections, arrivals
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, _Open] = {}  # by file descriptor
        self._by_peer: dict[Peer, _Open] = {}
        self._others: dict[int, int] = {}  # inodes of other sockets, by file descriptor
        self._ended: list[_Open] = []
        self._reading: collections.Counter[Peer] = collections.Counter()  # messages that are not whole
        self._whole: collections.Counter[Peer] = collections.Counter()  # bytes of those that are

    @contextlib.contextmanager
    def reading(self, peer: Peer) -> Iterator[Callable[[int], None]]:
        """Goes around the reading of a message; yields what is to be told of its bytes."""
        one = self._by_peer.get(peer)
        if one is not None and not self._reading[peer]:
            one.looks.clear()
            one.looks.append((self._loop.time(), self._unread(one)))
        self._reading[peer] += 1
        try:
            yield functools.partial(self._received, peer)
        finally:
            self._reading[peer] -= 1
            if not self._reading[peer]:
                del self._reading[peer]

    async def watch(self) -> None:
        """Looks again and again, until it is cancelled."""
        while _DESCRIPTORS.is_dir():
            began = self._loop.time()
            with contextlib.suppress(OSError):  # no descriptor is left to look with
                self._look()
            took = self._loop.time() - began
            if self._ended:
                ended, self._ended = self._ended, []
                await asyncio.to_thread(_end, ended)
            await asyncio.sleep(max(_SECONDS, _REST * took))

    def _look(self) -> None:
        found = {}
        for number, inode in _sockets():
            known = self._open.get(number)
            if known is not None and known.inode == inode:
                found[number] = known
            elif self._others.get(number) != inode:
                peer = _peer(number, self._port)
                if peer is None:
                    self._others[number] = inode
                else:
                    found[number] = _Open(number, inode, peer)
        for number, one in self._open.items():
            if found.get(number) is not one:
                self._forget(one)
        for number, one in found.items():
            if self._open.get(number) is not one:
                self._by_peer[one.peer] = one
                one.connection = self._connections.open(one.peer, functools.partial(self._ended.append, one))
                if one.connection is None:
                    self._ended.append(one)
        self._open = found
        self._estimate()
        for peer in self._whole.keys() - self._by_peer.keys():
            del self._whole[peer]

    def _forget(self, one: _Open) -> None:
        if one.connection is not None:
            self._connections.forget(one.connection)
        if self._by_peer.get(one.peer) is one:
            del self._by_peer[one.peer]

    def _received(self, peer: Peer, num_bytes: int) -> None:
        self._whole[peer] += num_bytes

    def _estimate(self) -> None:
        """How many bytes of messages in part there are on each connection.

        What has come since the oldest request that is not whole began, without the messages that have become whole
        meanwhile; not since the connection began, because HTTP/2 has bytes of its own.
        """
        now, unseen = self._loop.time(), {}
        for peer, since in self._arrivals.oldest().items():
            one = self._by_peer.get(peer)
            if one is None:
                continue
            while len(one.looks) > 1 and one.looks[1][0] <= since:
                one.looks.popleft()
            one.looks.append((now, self._unread(one)))
            unseen[peer] = max(0, one.looks[-1][1] - one.looks[0][1])
        self._arrivals.see(unseen)

    def _unread(self, one: _Open) -> int:
        return _bytes_received(one.number) - self._whole[one.peer]


def _sockets() -> Iterator[tuple[int, int]]:
    """(file descriptor, inode) of each socket of this process."""
    for name in os.listdir(_DESCRIPTORS):
        with contextlib.suppress(OSError):  # closed meanwhile
            status = os.fstat(int(name))
            if stat.S_ISSOCK(status.st_mode):
                yield int(name), status.st_ino


@contextlib.contextmanager
def _borrowed(number: int, family: int = socket.AF_INET) -> Iterator[socket.socket]:
    """A socket of somebody else's in this process, for what needs no descriptor of its own; OSError if it is gone."""
    its = socket.socket(family, socket.SOCK_STREAM, fileno=number)
    try:
        yield its
    finally:
        its.detach()


def _peer(number: int, port: int) -> Peer | None:
    """Who is at the other end of a TCP connection to `port`; None if that is something else."""
    try:
        with _borrowed(number) as its:
            family = its.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN)
            kind = its.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
        if family not in (socket.AF_INET, socket.AF_INET6) or kind != socket.SOCK_STREAM:
            return None
        with _borrowed(number, family) as its:  # which says how long a name is
            return Peer.of_socket(its.getpeername()) if its.getsockname()[1] == port else None
    except OSError:  # one that listens, or gone
        return None


def _bytes_received(number: int) -> int:
    try:
        with _borrowed(number) as its:
            info = its.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        return struct.unpack_from("=Q", info, _BYTES_RECEIVED_AT)[0]
    except (OSError, struct.error):  # gone, or a kernel that does not count them
        return 0


def _end(sockets: Iterable[_Open]) -> None:
    """Ends connections as if their clients had: whose descriptors they are finds out by itself."""
    for one in sockets:
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(one.number)) as its:
            if os.fstat(its.fileno()).st_ino == one.inode:  # and not of another one that has taken its number
                its.shutdown(socket.SHUT_RDWR)
