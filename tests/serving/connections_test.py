import pytest

from tsd_tf.serving.connections import Connections
from tsd_tf.serving.peer import Peer


class _Hall:
    """Connections, and what became of them."""

    def __init__(self, most, most_per_address):
        self.ended, self.reasons = [], []
        self.connections = Connections(most, most_per_address, self.reasons.append)

    def open(self, address, port):
        return self.connections.open(Peer(address, address, port), lambda: self.ended.append(port))

    def ask(self, address, port):
        """A whole request and its answer."""
        self.connections.answer(Peer(address, address, port))
        self.connections.answered(Peer(address, address, port))


def test_those_who_wait_longest_without_a_word_go_first():
    hall = _Hall(4, 4)
    for port in (1, 2, 3, 4):
        hall.open("a", port)
    hall.ask("a", 1)
    hall.ask("a", 3)
    for port in (5, 6):
        hall.open("a", port)
    assert hall.ended == [2, 4]
    for port in (7, 8, 9):  # newcomers take places from each other before they take one that was of use
        hall.open("a", port)
    assert hall.ended == [2, 4, 5, 6, 7]
    assert hall.reasons == ["address"] * 5
    assert len(hall.connections) == 4


def test_an_address_takes_places_from_itself():
    hall = _Hall(5, 2)
    for port in (1, 2, 3, 4):
        hall.open("many", port)
    hall.open("one", 5)
    hall.open("other", 6)
    assert hall.ended == [1, 2]
    assert hall.reasons == ["address", "address"]
    hall = _Hall(4, 4)
    hall.open("one", 1)
    for port in (2, 3, 4):
        hall.open("many", port)
    hall.open("other", 5)
    assert hall.ended == [2]  # not 1, which has waited longer
    assert hall.reasons == ["connections"]


def test_one_that_is_answered_is_not_spared():
    hall = _Hall(2, 2)
    hall.open("a", 1)
    hall.open("a", 2)
    for port in (1, 2):
        hall.connections.answer(Peer("a", "a", port))
    assert hall.open("a", 3) is None
    assert hall.ended == []
    hall.connections.answered(Peer("a", "a", 2))
    assert hall.open("a", 3) is not None
    assert hall.ended == [2]


def test_an_answer_before_the_connection_was_noticed():
    hall = _Hall(1, 1)
    hall.connections.answer(Peer("a", "a", 1))
    hall.open("a", 1)
    assert hall.open("a", 2) is None
    hall.connections.answered(Peer("a", "a", 1))
    hall.open("a", 2)
    assert hall.ended == [1]


def test_places_come_back():
    hall = _Hall(2, 2)
    for port in range(1, 100):
        hall.connections.forget(hall.open("a", port))
    assert len(hall.connections) == 0
    assert hall.ended == []
    assert not hall.connections.make_room()


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        (("1.2.3.4", 5), ("1.2.3.4", "1.2.3.4", 5)),
        (("::ffff:1.2.3.4", 5, 0, 0), ("1.2.3.4", "1.2.3.4", 5)),
        (("2001:db8::7:1", 5, 0, 0), ("2001:db8::/64", "2001:db8::7:1", 5)),
        (("fe80::1%eth0", 5, 0, 2), ("fe80::/64", "fe80::1", 5)),
        ("", ("", "", 0)),
        ("/a/socket", ("", "", 0)),
        (None, ("", "", 0)),
        ("ipv4:1.2.3.4:5", ("1.2.3.4", "1.2.3.4", 5)),
        ("ipv6:%5B2001:db8::7:1%5D:5", ("2001:db8::/64", "2001:db8::7:1", 5)),
        ("ipv6:[::1]:5", ("::/64", "::1", 5)),
        ("ipv6:%5B::ffff:1.2.3.4%5D:5", ("1.2.3.4", "1.2.3.4", 5)),
        ("unix:", ("", "", 0)),
    ],
)
def test_who_is_at_the_other_end(name, peer):
    of = Peer.of_grpc if isinstance(name, str) and name and name != "/a/socket" else Peer.of_socket
    assert of(name) == Peer(*peer)
