"""A camera on the network that fails on purpose."""

import contextlib
import socket
import struct
import threading
import time

import av
import numpy as np

_HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n"
_CELL = 8  # pixels of a bit of a frame's number


class FaultyStream:
    """MPEG-TS over HTTP, in real time to everybody who connects: `with FaultyStream(64) as stream:`.

    Each frame shows its number in the stream; see `number_of`.

    Args:
        size: edge of the frames, pixels; at least 64.
        rate: frames a second.

    Attributes:
        url: where it is.
        num_connections: how often it has been opened.
    """

    def __init__(self, size=64, rate=25):
        self._size, self._rate = size, rate
        self._began = time.monotonic()
        self._resumes_at = self._opens_at = 0.0
        self._lock = threading.Lock()
        self._connections = set()
        self.num_connections = 0

    def __enter__(self):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/camera.ts"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self._listening.close()
        self.drop()

    def drop(self, refuse_seconds=0.0, reset=False):
        """Ends all connections, and closes new ones at once for so long.

        Args:
            refuse_seconds: for how long.
            reset: whether the connections are reset, in place of an orderly end.
        """
        self._opens_at = time.monotonic() + refuse_seconds
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()
                else:
                    connection.shutdown(socket.SHUT_RDWR)

    def stall(self, seconds):
        """Sends nothing for so long."""
        self._resumes_at = time.monotonic() + seconds

    def number_of(self, frame):
        """The number that a frame shows, uint8 (H, W, 3): how many frames the camera had made by then."""
        row = frame[_CELL // 2, _CELL // 2 :: _CELL, 0][: self._size // _CELL]
        column = frame[_CELL + _CELL // 2, _CELL // 2 :: _CELL, 0][: self._size // _CELL]
        return sum(int(value > 127) << place for place, value in enumerate([*row, *column]))

    def _picture(self, number):
        picture = np.full((self._size, self._size, 3), 128, "uint8")
        picture[2 * _CELL :] += np.uint8(number % 64)
        cells = self._size // _CELL
        for place in range(2 * cells):
            line, cell = divmod(place, cells)
            value = 255 * (number >> place & 1)
            picture[line * _CELL : (line + 1) * _CELL, cell * _CELL : (cell + 1) * _CELL] = value
        return picture

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError, av.FFmpegError):
            if time.monotonic() < self._opens_at:
                return
            connection.settimeout(30)
            connection.recv(1 << 16)
            connection.sendall(_HEAD)
            with self._lock:
                self._connections.add(connection)
                self.num_connections += 1
            try:
                self._send(connection)
            finally:
                with self._lock:
                    self._connections.discard(connection)

    def _send(self, connection):
        options = {"preset": "ultrafast", "tune": "zerolatency"}
        file = _File(connection)
        with av.open(file, "w", format="mpegts", options={"flush_packets": "1"}) as container:
            stream = container.add_stream("libx264", rate=self._rate, options=options)
            stream.height = stream.width = self._size
            stream.pix_fmt, stream.gop_size = "yuv420p", self._rate // 2
            while True:
                number = int((time.monotonic() - self._began) * self._rate) + 1
                time.sleep(max(0.0, self._began + number / self._rate - time.monotonic()))
                if time.monotonic() >= self._resumes_at:
                    frame = av.VideoFrame.from_ndarray(self._picture(number), format="rgb24")
                    frame.pts = number
                    container.mux(stream.encode(frame))
                    if file.error:
                        raise file.error


class _File:
    """What PyAV writes to; errors are kept, since FFmpeg does not pass them on."""

    def __init__(self, connection):
        self._connection = connection
        self.error = None

    def write(self, content):
        try:
            if self.error is None:
                self._connection.sendall(content)
        except OSError as error:
            self.error = error
        return len(content)
