"""What is compared; that it comes through both protocols is in recognizer_test."""

import types

import numpy as np
import pytest

from tsd_tf.client import partner as partners
from tsd_tf.client.answer import Answer
from tsd_tf.client.partner import Partner
from tsd_tf.client.served_model import ServedModel
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError

_MODEL = signatures.ClientModel(3, "tsd", 8, 4, 64, 64, 25.0, 4, None, (), ())
_LABELS = ["a", "b", "c", "d"]
_OWN = ServedModel(3, (4, 64, 64), 4)


class _Server:
    """What Partner asks."""

    server = "host:1"

    def __init__(self, *served, tells_versions=True):
        self.served, self.tells_versions, self.asked = list(served), tells_versions, 0

    def describe(self, since=None):
        self.asked += 1
        return self.served.pop(0) if len(self.served) > 1 else self.served[0]


@pytest.fixture
def notes():
    return []


def _answer(classes="db", version=3, probabilities=(0.125, 0.25, 0.125, 0.5)):
    return Answer(np.float32(probabilities), tuple(classes), version)


def test_its_own(notes):
    server = _Server(_OWN)
    partner = Partner(server, _MODEL, _LABELS, notes.append)
    for _ in range(3):
        partner.look()
        assert partner.check(_answer()).version == 3
    assert (server.asked, notes) == (1, [])


def test_one_that_tells_nothing(notes):
    server = _Server(ServedModel())
    partner = Partner(server, _MODEL, _LABELS, notes.append)
    for _ in range(3):
        partner.look()
        partner.check(_answer())
        assert partner.check(_answer(version=None)).version is None
    assert server.asked <= 2
    assert notes == []


@pytest.mark.parametrize(
    ("served", "message"),
    [
        (
            ServedModel(3, (5, 64, 64), 4),
            "clips of 5 frames of 64 x 64, and this client half makes them of 4 frames of",
        ),
        (
            ServedModel(3, (4, 64, 96), 4),
            "clips of 4 frames of 96 x 64, and this client half makes them of 4 frames of",
        ),
        (ServedModel(3, None, 5), "a model of 5 classes, and the labels.txt of this client has 4: "),
    ],
)
def test_other_clips_or_classes(served, message, notes):
    partner = Partner(_Server(served), _MODEL, _LABELS, notes.append)
    for _ in range(2):
        with pytest.raises(UserError, match=f"^host:1 serves .*{message}.*they are of different exports$"):
            partner.look()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (_answer(probabilities=(0.5, 0.25, 0.25)), "with 3 classes, and the labels.txt of this client has 4"),
        (_answer("bd"), "calls the class of rank 1 'b', and the labels.txt of this client calls it 'd'"),
        (_answer("de"), "calls the class of rank 2 'e', and the labels.txt of this client calls it 'b'"),
        (_answer("da"), "calls the class of rank 2 'a', and the labels.txt of this client calls it 'b'"),
    ],
)
def test_another_list_of_classes(answer, message, notes):
    partner = Partner(_Server(_OWN), _MODEL, _LABELS, notes.append)
    partner.look()
    with pytest.raises(UserError, match=f"^the server .*{message}: they are of different exports$"):
        partner.check(answer)


@pytest.mark.parametrize("classes", ["dbac", "dbca"])
def test_equally_likely_classes_come_in_any_order(classes, notes):
    partner = Partner(_Server(_OWN), _MODEL, _LABELS, notes.append)
    partner.look()
    partner.check(_answer(classes))


def test_another_version_is_said_once_and_looked_at(notes):
    server = _Server(_OWN, ServedModel(4, (4, 64, 64), 4))
    partner = Partner(server, _MODEL, _LABELS, notes.append)
    partner.look()
    for version in (3, 4, 4, 3, 4):
        assert partner.check(_answer(version=version)).version == version
    assert notes == [
        "host:1 answers with version 4 of the model, and this client half is of version 3: they were not tested "
        "together"
    ]
    server = _Server(_OWN, ServedModel(4, (5, 64, 64), 4))
    partner = Partner(server, _MODEL, _LABELS, notes.append)
    partner.look()
    with pytest.raises(UserError, match="they are of different exports"):
        partner.check(_answer(version=4))


def test_where_answers_tell_no_version_the_server_is_asked_again(notes, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(partners, "time", types.SimpleNamespace(monotonic=lambda: now))
    server = _Server(_OWN, ServedModel(4, (4, 64, 64), 4), tells_versions=False)
    partner = Partner(server, _MODEL, _LABELS, notes.append)
    partner.look()
    now += 29
    partner.look()
    assert (partner.check(_answer(version=None)).version, notes) == (3, [])
    now += 2
    partner.look()
    assert partner.check(_answer(version=None)).version == 4
    assert (server.asked, len(notes)) == (2, 1)
