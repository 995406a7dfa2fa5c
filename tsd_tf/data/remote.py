"""Shards on s3:// and http(s)://, which TensorFlow reads with tensorflow-io's file systems."""

import contextlib
import ctypes
import functools
import importlib
import os
from typing import BinaryIO, cast

import tensorflow as tf

from tsd_tf.contract.errors import UserError

_SCHEMES = ("s3", "http", "https")
ERRORS = (OSError, tf.errors.OpError)  # of reading a file, local or remote


def scheme_of(path: str | os.PathLike) -> str:
    """The scheme of a path: "s3", "http", "https" or another one, "" for a local path."""
    return str(path).partition("://")[0] if "://" in str(path) else ""


def prepare(path: str | os.PathLike) -> None:
    """Loads the file system of a remote path; does nothing for a local one.

    For s3, TensorFlow reads the environment variables S3_ENDPOINT, AWS_REGION, AWS_ACCESS_KEY_ID and so on.

    Raises:
        UserError: tensorflow-io is not installed, or its libraries do not load under this TensorFlow.
    """
    scheme = scheme_of(path)
    if scheme not in _SCHEMES:
        return
    try:
        importlib.import_module("tensorflow_io")
        reason = "its libraries did not load"
    except (ImportError, NotImplementedError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if scheme not in tf.io.gfile.get_registered_schemes():
        raise UserError(
            f"{path}: {scheme}:// needs tensorflow-io, whose libraries load under TensorFlow 2.16 alone "
            f"(pip install 'tsd_tf[remote]'); TensorFlow {tf.__version__} is installed, and {reason}. "
            "Or copy the shards to a local folder"
        )
    if scheme == "s3":
        with contextlib.suppress(tf.errors.OpError):
            tf.io.gfile.isdir(str(path))  # makes the client
        _leave_before_destructors()


def open_file(path: str) -> BinaryIO:
    """Opens a local or remote file for reading bytes here and there."""
    # Unbuffered: what is read is a whole record, or the few bytes of its length far from the next one's.
    return tf.io.gfile.GFile(path, "rb") if scheme_of(path) else cast(BinaryIO, open(path, "rb", buffering=0))


def reason(error: Exception) -> str:
    """What one of ERRORS says, in words."""
    return getattr(error, "message", None) or getattr(error, "strerror", None) or str(error)


@functools.cache
def _leave_before_destructors():
    """Ends the process before its C++ destructors run, with the exit status that it has anyway.

    The destructors of tensorflow-io's S3 client abort ("pure virtual method called", exit status 134). Python has
    finished by then, so a C function must step in: the handler that was registered last runs first, and this one is
    registered after the S3 client's own. Only glibc has on_exit; elsewhere the abort stays.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):
        libc.on_exit(libc._exit, None)
