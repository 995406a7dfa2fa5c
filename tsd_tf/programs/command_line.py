"""How every program starts and ends."""

import contextlib
import functools
import io
import json
import logging as standard_logging
import os
import pathlib
import re
import select
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import app, flags, logging

from tsd_tf.contract.errors import UserError
from tsd_tf.contract.text import printable
from tsd_tf.programs.quiet_import import QuietImport

# The library's names of arguments and fields -> the programs' flags, where the two differ.
_FLAGS = {
    "num_frames": "T",
    "num_distilled_frames": "Ts",
    "gradient_accumulation": "accumulate",
    "work_directory": "workdir",
    "class_names": "labels",
    "beam_options": "runner",
}


def run(
    main: Callable[[list[str]], int | None], extra: str | None = None, backends: Sequence[str] | None = None
) -> None:
    """Parses the flags, calls `main(argv)` and exits; a user's mistake is one line on stderr and exit code 1 or 2.

    Args:
        main: takes the list of positional arguments, the program's name first; returns None or an exit code.
        extra: the extra of this distribution whose packages the program needs; None for the base's.
        backends: the Keras backends that the program runs on; None for a program that does not need Keras.
    """
    # What goes wrong reaches Python as an exception; what these two tell beside it is of no use to a user.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # TensorFlow leaves oneDNN out on processors without AVX-512 VNNI; its own convolutions take five times as long.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    sys.meta_path.insert(0, QuietImport("tensorflow"))  # newer ones write before they have read the variable
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: names of files need not be UTF-8

    def guarded(argv: list[str]) -> int | None:
        if not flags.FLAGS["verbosity"].present:  # which absl has set to that of information
            logging.set_verbosity(logging.WARNING)
            standard_logging.getLogger("tensorflow").setLevel("ERROR")  # it warns of what it does itself
        try:
            _check_backend(backends)
            with _ending_with_its_reader():
                return main(argv)
        except UserError as error:
            return _fail(in_flags(str(error)))
        except ModuleNotFoundError as error:
            if extra is None or not error.name or error.name.partition(".")[0] == "tsd_tf":
                raise
            return _fail(f"this program needs {error.name}, which is not installed: pip install 'tsd_tf[{extra}]'")
        except OSError as error:
            if error.filename is None or error.strerror is None:
                raise
            return _fail(f"cannot read or write {error.filename}: {error.strerror}")
        except InterruptedBySignal as error:
            print("interrupted" if error.number == signal.SIGINT else "terminated", file=sys.stderr)
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            os._exit(128 + error.number)  # threads that wait for a network may go on for long
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130

    if {"-h", "-help", "--help"} & set(sys.argv[1:]):
        with _ending_with_its_reader():
            _print_help(main)
        return
    app.run(guarded, flags_parser=_parse_flags)


def program(
    extra: str | None = None, backends: Sequence[str] | None = None
) -> Callable[[Callable[[list[str]], int | None]], Callable[[], None]]:
    """Makes a main into what scripts and console commands start: a function without arguments; see `run`."""
    return lambda main: functools.wraps(main)(lambda: run(main, extra, backends))


def flag_of(name: str) -> str:
    """The flag that stands for an argument or a field of the library."""
    return _FLAGS.get(name, name)


def in_flags(message: str) -> str:
    """A message of the library with its arguments as this program's flags: `num_frames` becomes --T."""

    def flag(name: str) -> str | None:
        return next((f"--{known}" for known in (flag_of(name), name) if known in flags.FLAGS), None)

    message, received, values = re.sub(r"`(\w+)`", lambda m: flag(m[1]) or m[0], message).partition("Received: ")
    return message + received + re.sub(r"(?<![\w-])(\w+)=", lambda m: f"{flag(m[1]) or m[1]}=", values)


class InterruptedBySignal(KeyboardInterrupt):
    """SIGINT or SIGTERM; see `interruptible`.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """A context in which SIGINT and SIGTERM raise InterruptedBySignal, once: the next one ends the process.

    Then `run` waits for no thread: the program ends with exit code 130 or 143 as soon as its main has come to an end.
    """
    before: dict[int, Any] = {}

    def interrupt(number: int, frame: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        raise InterruptedBySignal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def one_line(message: str) -> str:
    """A message as it is shown: in one line, without commands to the terminal."""
    return printable(" ".join(message.split()))


def no_arguments(argv: list[str]) -> None:
    """UserError if anything but flags was given: absl would ignore it."""
    if len(argv) > 1:
        raise UserError(f"expected flags only, received {' '.join(argv[1:])} (--help lists the flags)")


def _fail(message: str) -> int:
    message = one_line(message)
    if "log_format" in flags.FLAGS and flags.FLAGS.log_format == "json":  # a server's
        from tsd_tf.serving.log_lines import json_line

        print(json_line("failed", {"level": "ERROR", "message": message}), file=sys.stderr)
    else:
        print(f"error: {message}", file=sys.stderr)
    return 1


@contextlib.contextmanager
def _ending_with_its_reader() -> Iterator[None]:
    """Ends the program without a word, as SIGPIPE would, when nobody reads its output on (`| head`)."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # A socket or a worker process can raise it as well; the signal itself would end servers at a client's leaving.
        poller = select.poll()
        poller.register(sys.stdout, 0)
        if not poller.poll(0):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at the interpreter's end
        sys.exit(141)


def _check_backend(backends: Sequence[str] | None) -> None:
    """UserError on a Keras backend that the program does not run on: TensorFlow would fail somewhere inside."""
    backend = os.environ.get("KERAS_BACKEND") or _configured_backend()
    if backends is not None and backend not in backends:
        raise UserError(
            f"this program runs on the Keras backend {' or '.join(backends)}, and {backend} is chosen: set "
            f"KERAS_BACKEND={backends[0]}"
        )


def _configured_backend() -> str:
    home = pathlib.Path(os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras")
    try:
        return json.loads((home / "keras.json").read_text())["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


def _print_help(main: Callable) -> None:
    """What the program's docstring says, and its flags: absl shows those of the script alone, not of its modules."""
    print((sys.modules[main.__module__].__doc__ or "").strip())
    for module in flags.FLAGS.flags_by_module_dict():
        if not module.startswith("absl."):
            print(flags.FLAGS.module_help(module))


def _parse_flags(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        print(f"error: {' '.join(str(error).split())} (--help lists the flags)", file=sys.stderr)
        sys.exit(2)
