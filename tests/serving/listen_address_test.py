"""Addresses that are bound, for asyncio's servers and for gRPC's."""

import asyncio
import contextlib
import os
import socket
import time

import grpc
import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.serving.listen_address import ListenAddress


def _has_ipv6():
    with contextlib.closing(socket.socket(socket.AF_INET6)) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


_IPV6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")


class _Listening:
    """`with _Listening(address, kind):` listens there, by gRPC or by asyncio's kind of sockets."""

    def __init__(self, address, kind):
        self._address, self._kind = address, kind

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        if self._kind == "grpc":
            loop = asyncio.new_event_loop()
            self._stack.callback(loop.close)
            server = loop.run_until_complete(self._serve())
            self._stack.callback(lambda: loop.run_until_complete(server.stop(0)))
        else:
            for bound in self._address.bind():
                bound.listen()
                self._stack.enter_context(bound)
            self._stack.callback(self._address.release)

    async def _serve(self):
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._address.bind_grpc(server)
        await server.start()
        return server

    def __exit__(self, *exception):
        self._stack.close()


def _answers(host, port):
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("kind", ["grpc", "http"])
@pytest.mark.parametrize(
    ("host", "printed", "v4", "v6"),
    [
        ("127.0.0.1", "127.0.0.1:{}", True, False),
        pytest.param("::1", "[::1]:{}", False, True, marks=_IPV6),
        pytest.param("[::1]", "[::1]:{}", False, True, marks=_IPV6),
        pytest.param("::", "[::1]:{}", True, True, marks=_IPV6),
        pytest.param("0.0.0.0", "127.0.0.1:{}", True, True, marks=_IPV6),
    ],
)
def test_an_address_means_the_same_for_both(kind, host, printed, v4, v6):
    for _ in range(3):
        address = ListenAddress(host, 0, kind)
        with _Listening(address, kind):
            assert address.port > 0
            while_bound = _answers("127.0.0.1", address.port), _answers("::1", address.port)
            assert str(address) == printed.format(address.port)
            assert address.url("https") == f"https://{address}"
        reached = (*while_bound, _answers("127.0.0.1", address.port))
        # A port that is free by IPv6 can be another process' by IPv4, but hardly three times.
        if reached == (v4, v6, False):
            break
    assert reached == (v4, v6, False)


@pytest.mark.parametrize("kind", ["grpc", "http"])
def test_a_name_means_all_its_addresses(kind, monkeypatch):
    """Of which this machine need not have all, as ::1 without IPv6."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        hosts = ("192.0.2.7", "127.0.0.1", "127.0.0.2") if host == "cloud" else (host,)
        return [found for host in hosts for found in resolve(host, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    address = ListenAddress("cloud", 0, kind)
    with _Listening(address, kind):
        assert _answers("127.0.0.1", address.port)
        assert _answers("127.0.0.2", address.port)
        assert str(address) == f"cloud:{address.port}"


@pytest.mark.parametrize("kind", ["grpc", "http"])
def test_what_cannot_be_bound_is_one_line(kind, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (tmp_path / "file").write_text("")
        (tmp_path / "folder").mkdir()
        (tmp_path / f"folder/{kind}.sock").write_text("")
        for host, number, text in (
            ("127.0.0.1", port, f"127.0.0.1:{port} ({kind}): Address already in use"),
            ("192.0.2.7", 8500, f"192.0.2.7:8500 ({kind}): Cannot assign requested address"),
            ("no.such.name.invalid", 8500, f"no.such.name.invalid:8500 ({kind}): "),
            ("unix:file", 0, f"unix:{tmp_path}/file/{kind}.sock ({kind}): File exists"),
            ("unix:folder", 0, f"unix:{tmp_path}/folder/{kind}.sock ({kind}): there is something of that name"),
            (f"unix:{'x' * 120}", 0, f"{'x' * 120}/{kind}.sock ({kind}): AF_UNIX path too long"),
        ):
            with pytest.raises(UserError) as caught, _Listening(ListenAddress(host, number, kind), kind):
                pass
            assert text in str(caught.value)
            assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""
    for host in ("", "unix:"):
        with pytest.raises(UserError, match="`host` must be an address, a name or unix:FOLDER. Received: host="):
            ListenAddress(host, 0, kind)


@pytest.mark.parametrize("kind", ["grpc", "http"])
def test_a_socket_in_a_folder(kind, tmp_path):
    folder = tmp_path / "made/of/itself"
    address, path = ListenAddress(f"unix:{folder}", 8500, kind), folder / f"{kind}.sock"
    assert str(address) == address.url("http") == f"unix:{path}"
    assert address.is_local
    with _Listening(address, kind):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(os.fspath(path))
        # Nobody takes it from whoever listens there.
        with (
            pytest.raises(UserError, match="Address already in use"),
            _Listening(ListenAddress(f"unix:{folder}", 0, kind), kind),
        ):
            pass
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(os.fspath(path))
    assert not path.exists()
    # What one leaves that was killed is taken.
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(os.fspath(path))
    assert path.exists()
    with _Listening(ListenAddress(f"unix:{folder}", 0, kind), kind), socket.socket(socket.AF_UNIX) as client:
        client.connect(os.fspath(path))


def test_a_socket_that_another_server_has_made_stays(tmp_path):
    first = ListenAddress(f"unix:{tmp_path}", 0, "rest")
    (bound,) = first.bind()
    bound.close()
    time.sleep(0.05)  # two at the same moment may look the same
    second = ListenAddress(f"unix:{tmp_path}", 0, "rest")
    with contextlib.ExitStack() as stack:
        stack.enter_context(second.bind()[0]).listen()
        first.release()
        assert (tmp_path / "rest.sock").exists()
        second.release()
        assert not (tmp_path / "rest.sock").exists()


@pytest.mark.parametrize(
    ("host", "is_local", "is_every"),
    [
        ("127.0.0.1", True, False),
        ("127.5.5.5", True, False),
        ("localhost", True, False),
        ("[::1]", True, False),
        ("unix:x", True, False),
        ("0.0.0.0", False, True),
        ("::", False, True),
        ("[::]", False, True),
        ("192.0.2.7", False, False),
        ("example.org", False, False),
    ],
)
def test_who_can_reach_it(host, is_local, is_every):
    address = ListenAddress(host, 0, "rest")
    assert (address.is_local, address.is_every) == (is_local, is_every)
