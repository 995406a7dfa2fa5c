"""The open connections of one protocol, bounded in all and for each address."""

import collections
from collections.abc import Callable

from tsd_tf.serving.peer import Peer

Count = Callable[[str], None]  # of a reason for which a connection was ended


class Connection:
    """An entry of Connections.

    Attributes:
        peer: who is at the other end.
        was_answered: whether it ever had a whole request.
    """

    def __init__(self, peer: Peer, close: Callable[[], None]) -> None:
        self.peer, self.close = peer, close
        self.was_answered = False


class Connections:
    """Keeps a place free for who comes next: beyond its bounds those who only wait are sent away.

    The first to go are connections that never had a whole request, and among these the one that has waited longest. So
    whoever opens many and says nothing takes places from himself, and neither from those who have just been answered
    nor from a newcomer.

    Args:
        max_connections: in all.
        max_per_address: of one address.
        count: is told the reason when one is ended: "connections" or "address" for the two bounds.
    """

    def __init__(self, max_connections: int, max_per_address: int, count: Count) -> None:
        self._max_connections, self._max_per_address, self._count = max_connections, max_per_address, count
        self._open: dict[Peer | int, Connection] = {}
        self._addresses: dict[str, _Address] = {}
        self._under_way: collections.Counter[Peer] = collections.Counter()

    def __len__(self) -> int:
        return len(self._open)

    def open(self, peer: Peer, close: Callable[[], None]) -> Connection | None:
        """Adds one.

        Args:
            peer: who is at the other end.
            close: ends it; `forget` may be called at once or later.

        Returns:
            None if there is no place for it: every other connection is being answered.
        """
        address = self._addresses.get(peer.address)
        if peer.address and address is not None and len(address) >= self._max_per_address:
            if not self._make_room("address", address):
                return None
        elif len(self._open) >= self._max_connections and not self.make_room():
            return None
        connection = Connection(peer, close)
        self._open[_key(connection)] = connection
        self._addresses.setdefault(peer.address, _Address()).enter(connection, peer in self._under_way)
        return connection

    def forget(self, connection: Connection) -> None:
        """Takes out one that has ended; nothing if it is out already."""
        if self._open.get(_key(connection)) is connection:
            del self._open[_key(connection)]
            address = self._addresses[connection.peer.address]
            address.leave(connection)
            if not len(address):
                del self._addresses[connection.peer.address]

    def make_room(self) -> bool:
        """Ends the connection that can be spared first, of the address that has the most; whether there was one."""
        waiting = (address for address in self._addresses.values() if address.spared() is not None)
        return self._make_room("connections", max(waiting, key=len, default=None))

    def answer(self, peer: Peer) -> None:
        """Notes that a whole request is answered: until `answered`, its connection is not to be spared.

        It need not have been opened here yet: gRPC's are noticed a little later.
        """
        self._under_way[peer] += 1
        if connection := self._open.get(peer):
            self._addresses[peer.address].enter(connection, is_busy=True)

    def answered(self, peer: Peer) -> None:
        """Notes the answer to what `answer` began."""
        self._under_way[peer] -= 1
        if self._under_way[peer]:
            return
        del self._under_way[peer]
        if connection := self._open.get(peer):
            connection.was_answered = True
            self._addresses[peer.address].enter(connection, is_busy=False)

    def _make_room(self, reason: str, address: "_Address | None") -> bool:
        self._count(reason)
        spared = None if address is None else address.spared()
        if spared is None:
            return False
        self.forget(spared)
        spared.close()
        return True


class _Address:
    """The connections of one address, each kind in the order in which they began to wait."""

    def __init__(self) -> None:
        self._kinds: tuple[dict[Connection, None], ...] = ({}, {}, {})  # new, answered before, busy

    def __len__(self) -> int:
        return sum(map(len, self._kinds))

    def enter(self, connection: Connection, is_busy: bool) -> None:
        """Adds one, or moves it to the end of its kind."""
        self.leave(connection)
        self._kinds[2 if is_busy else int(connection.was_answered)][connection] = None

    def leave(self, connection: Connection) -> None:
        """Takes one out."""
        for kind in self._kinds:
            kind.pop(connection, None)

    def spared(self) -> Connection | None:
        """The one that can be spared first; None if all are busy."""
        new, answered, _ = self._kinds
        return next(iter(new or answered), None)


def _key(connection: Connection) -> Peer | int:
    # Sockets in the file system have no names by which to tell them apart.
    return connection.peer if connection.peer.port else id(connection)
