"""Makes a token for the gateway, or revokes one.

    python -m tsd_tf.programs.gateway_token --tokens=tokens.txt --name=camera-7 --rate=20/second --bytes=5000000000/day

prints the token, which is nowhere else, and appends its SHA-256 to the file. A gateway that runs takes it up, or with
--revoke refuses it, within a second.
"""

import os
import pathlib
import secrets
import stat
from contextlib import suppress

from absl import flags

from tsd_tf.contract import files
from tsd_tf.contract.errors import UserError
from tsd_tf.programs import command_line

FLAGS = flags.FLAGS
flags.DEFINE_string("tokens", None, "file of the gateway's tokens; made if it is missing", required=True)
flags.DEFINE_string("name", None, "whose token it is", required=True)
flags.DEFINE_string("rate", None, "most requests, as in 20/second")
flags.DEFINE_string("bytes", None, "most bytes of requests, as in 5000000000/day")
flags.DEFINE_bool("revoke", False, "remove the token of --name")

_OWNERS_ALONE = 0o600


@command_line.program(extra="gateway")
def start(argv: list[str]) -> None:
    """Prints a new token, or removes one."""
    command_line.no_arguments(argv)
    from tsd_tf.gateway import tokens

    path = pathlib.Path(FLAGS.tokens).resolve()  # a link stays one
    text = tokens.read(path) if path.exists() else ""
    names = [entry.name for entry in tokens.parse(text, path)]
    if FLAGS.revoke:
        if FLAGS.name not in names:
            raise UserError(f"there is no token of {FLAGS.name} in {path}")
        lines = [line for line in text.splitlines(keepends=True) if line.split()[:1] != [FLAGS.name]]
        _write(path, "".join(lines))
        return
    token = secrets.token_urlsafe(32)
    entry = tokens.TokenEntry(FLAGS.name, tokens.sha256(token), FLAGS.rate, FLAGS.bytes)
    if FLAGS.name in names:
        raise UserError(f"{FLAGS.name} is there already; revoke its token first, or choose another `name`")
    if text and not text.endswith("\n"):
        text += "\n"
    _write(path, f"{text}{entry.line()}\n")
    print(token)


def _write(path: pathlib.Path, text: str) -> None:
    """Writes the file whole, for its owner alone, or for whom it was before."""
    before = path.stat() if path.exists() else None
    with files.whole(path) as partial:
        partial.touch(_OWNERS_ALONE)
        partial.write_text(text, encoding="utf-8")
        if before is not None:
            with suppress(PermissionError):  # only root gives files away
                os.chown(partial, before.st_uid, before.st_gid)
            partial.chmod(stat.S_IMODE(before.st_mode))


if __name__ == "__main__":
    start()
