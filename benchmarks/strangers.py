"""What strangers send, as raw bytes: for the benchmark of attacks, and for tests."""

import socket
import struct
import zlib

from tsd_tf.contract import messages

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 4, 6, 7, 8  # types of frames
_ACK, _END_HEADERS = 1, 4  # flags
_INITIAL_WINDOW = 4  # a setting
_FRAME_BYTES = 16384


def connect(address, source=None, timeout=30.0, window=None):
    """A TCP connection to "host:port", from an address of this machine if one is given.

    Args:
        window: bytes that may wait to be read; None for the system's own choice.
    """
    host, _, port = address.removeprefix("http://").rpartition(":")
    connection = socket.socket()
    connection.settimeout(timeout)
    if window:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    if source:
        connection.bind((source, 0))
    connection.connect((host, int(port)))
    return connection


def http_head(path, *lines):
    """The head of a POST."""
    return b"\r\n".join([b"POST %s HTTP/1.1" % path.encode(), b"Host: x", *lines, b"", b""])


def json_body(value, num_bytes):
    """A body of REST that asks for frames, with so many bytes of one value again and again."""
    return b'{"inputs":[' + (value + b",") * (num_bytes // (len(value) + 1)) + b"1]}"


def png(size, num_bytes, kind=b"IDAT", before=b""):
    """A PNG of size x size pixels whose chunk of that kind inflates to so many bytes."""
    compressor = zlib.compressobj(9)
    parts = [compressor.compress(bytes(min(1 << 20, num_bytes - at))) for at in range(0, num_bytes, 1 << 20)]
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    bomb = _chunk(kind, before + b"".join(parts) + compressor.flush())
    pixels = b"" if kind == b"IDAT" else _chunk(b"IDAT", zlib.compress(bytes(size * (1 + 3 * size))))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + bomb + pixels + _chunk(b"IEND", b"")


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def many_inputs(num_bytes):
    """A PredictRequest of so many bytes that holds nothing but the names of inputs."""
    return b"".join(b"\x12\x0a\x0a\x08%08d" % index for index in range(num_bytes // 12))


class HalfCall:
    """A connection of HTTP/2 that begins calls of gRPC and stops wherever it is told to.

    Args:
        address: "host:port".
        source: address of this machine; None for any.
    """

    def __init__(self, address, source=None):
        self.socket = connect(address, source)
        self.socket.sendall(_PREFACE + _frame(_SETTINGS))
        self._window, self._initial = 65535, 65535
        self._windows = {}
        self._next, self._received = 1, b""

    def begin(self, method=messages.PREDICT):
        """Sends the head of a call; returns its stream."""
        stream, self._next = self._next, self._next + 2
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": method,
            ":authority": "x",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())
        self.socket.sendall(_frame(_HEADERS, block, _END_HEADERS, stream))
        self._windows[stream] = self._initial
        return stream

    def send(self, stream, num_bytes, of):
        """Sends so many bytes of a message that is said to have `of`; returns how many the server took."""
        left = struct.pack(">BI", 0, of) + bytes(num_bytes)
        sent = 0
        while left:
            size = min(len(left), _FRAME_BYTES, self._window, self._windows[stream])
            if size <= 0:
                if not self._read():
                    break
                continue
            self.socket.sendall(_frame(_DATA, left[:size], 0, stream))
            left, sent = left[size:], sent + size
            self._window -= size
            self._windows[stream] -= size
        return sent

    def is_open(self, seconds):
        """Whether the server keeps the connection, so long at least."""
        self.socket.settimeout(seconds)
        try:
            while self._read():
                pass
        except TimeoutError:
            return True
        return False

    def close(self):
        self.socket.close()

    def _read(self):
        """Reads a frame; whether there was one."""
        try:
            head = self._exactly(9)
            size, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], head[5:]
            content = self._exactly(size)
        except (ConnectionError, EOFError):
            return False
        stream = int.from_bytes(stream, "big")
        if kind == _SETTINGS and not flags & _ACK:
            for at in range(0, size, 6):
                name, value = struct.unpack_from(">HI", content, at)
                if name == _INITIAL_WINDOW:
                    self._windows = {key: window + value - self._initial for key, window in self._windows.items()}
                    self._initial = value
            self.socket.sendall(_frame(_SETTINGS, b"", _ACK))
        elif kind == _PING and not flags & _ACK:
            self.socket.sendall(_frame(_PING, content, _ACK))
        elif kind == _WINDOW_UPDATE:
            (more,) = struct.unpack(">I", content)
            if stream:
                self._windows[stream] = self._windows.get(stream, 0) + more
            else:
                self._window += more
        return kind != _GOAWAY

    def _exactly(self, count):
        while len(self._received) < count:
            part = self.socket.recv(65536)
            if not part:
                raise EOFError
            self._received += part
        content, self._received = self._received[:count], self._received[count:]
        return content


def _frame(kind, content=b"", flags=0, stream=0):
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content


def _text(value):
    """Without compression, of less than 127 bytes."""
    return bytes([len(value)]) + value.encode()
