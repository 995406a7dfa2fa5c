"""What the web page is made of: its built files, a client half, sample clips."""

import itertools
import logging
import os
import pathlib
import time

from tsd_tf.client.exported_client import ExportedClient
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.contract.file_stamp import file_stamp
from tsd_tf.gateway.page_file import GZIP_SUFFIX, PageFile
from tsd_tf.video import finding

_LOG = logging.getLogger(__name__)
BUILT = pathlib.Path(__file__).parent / "page"  # where `make web` puts the page
CLIENT_PATH = "/page/client.tflite"
_SAMPLES_PATH = "/page/samples"
_INDEX = "index.html"
_FILE = signatures.tflite_file("float32")
_SAMPLE_SUFFIXES = (".mp4", ".m4v", ".webm", ".mov")  # what browsers play
_MOST_SAMPLES, _MOST_SAMPLE_BYTES = 24, 16 << 20
_SECONDS_BETWEEN_LOOKS = 1.0


class PageSite:
    """The files of the page by their paths, all in memory.

    The client half is read anew when its export changes, as a server reads its model; files that do not belong together
    leave it as it was, and the log says so. Page and samples are read once.

    Args:
        client_dir: an export: client.tflite with client.json and labels.txt.
        samples_dir: of videos to choose from; those in its subfolders are called as the folder. At most 24, of 16 MB
            each: the first of every folder, then the second ones. None for none.
        is_isolated: whether the page is cross-origin isolated, without which browsers give it one thread.
        built: where the page is.

    Attributes:
        is_isolated: see above.
        samples: [{"url": path of the video, "label": what to call it}].

    Raises:
        UserError: the page is not built, the export is not whole, or there are no samples in the folder.
    """

    def __init__(
        self,
        client_dir: str | os.PathLike,
        samples_dir: str | os.PathLike | None = None,
        *,
        is_isolated: bool = True,
        built: str | os.PathLike = BUILT,
    ) -> None:
        self.is_isolated = is_isolated
        self._files = _built_files(pathlib.Path(built))
        self.samples: list[dict[str, str]] = []
        if samples_dir is not None:
            self._add_samples(pathlib.Path(samples_dir))
        self._path = pathlib.Path(client_dir) / _FILE
        self._stamps = self._stamps_now()
        self._read_client()
        self._looked = time.monotonic()

    @property
    def paths(self) -> list[str]:
        """Those of the files that are there, but the page's own folder /page/."""
        return [path for path in self._files if not path.startswith("/page/")]

    @property
    def client(self) -> ExportedClient:
        """The client half as it is now."""
        self._look()
        return self._client

    def find(self, path: str) -> PageFile | None:
        """The file of a path; None if there is none.

        Args:
            path: of a URL, decoded.
        """
        if path == CLIENT_PATH:
            self._look()
        return self._files.get(path)

    def _add_samples(self, folder: pathlib.Path) -> None:
        names, _ = finding.find_videos(folder)
        small = [name for name in names if name.lower().endswith(_SAMPLE_SUFFIXES) and _is_small(folder / name)]
        if not small:
            raise UserError(
                f"`page_samples` must be a folder with videos that browsers play ({', '.join(_SAMPLE_SUFFIXES)}), of "
                f"{_MOST_SAMPLE_BYTES >> 20} MB at most. Received: page_samples={folder}"
            )
        ordered = sorted(small, key=os.path.split)
        by_folder = [list(group) for _, group in itertools.groupby(ordered, os.path.dirname)]
        rounds = itertools.chain.from_iterable(itertools.zip_longest(*by_folder))
        for name in itertools.islice((name for name in rounds if name is not None), _MOST_SAMPLES):
            place = pathlib.PurePath(name)
            path = f"{_SAMPLES_PATH}/{place.as_posix()}"
            self._files[path] = PageFile.read(folder / name)
            self.samples.append({"url": path, "label": place.parent.name or place.stem})

    def _stamps_now(self) -> list[tuple[int, ...] | None]:
        names = (_FILE, signatures.SIDECAR_FILE, signatures.LABELS_FILE)
        return [file_stamp(self._path.with_name(name)) for name in names]

    def _look(self) -> None:
        """Reads the client half anew if it has changed."""
        now = time.monotonic()
        if now - self._looked < _SECONDS_BETWEEN_LOOKS:
            return
        self._looked, stamps = now, self._stamps_now()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._read_client()
        except UserError as error:
            _LOG.error("%s; the page keeps the client half that it has", error)

    def _read_client(self) -> None:
        self._client = ExportedClient.read(self._path)
        self._files[CLIENT_PATH] = PageFile.of(self._client.contents, _FILE)


def is_built() -> bool:
    """Whether this installation has the page; a working tree has it after `make web`."""
    return (BUILT / _INDEX).is_file()


def _built_files(folder: pathlib.Path) -> dict[str, PageFile]:
    if not (folder / _INDEX).is_file():
        raise UserError(f"the web page is not built: `make web` builds it, and puts it into {folder}")
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != GZIP_SUFFIX)
    files = {f"/{path.relative_to(folder).as_posix()}": PageFile.read(path) for path in found}
    files["/"] = files[f"/{_INDEX}"]
    return files


def _is_small(path: pathlib.Path) -> bool:
    return path.stat().st_size <= _MOST_SAMPLE_BYTES
