"""Programs that run one after the other, each announced with its command, as a user would type it."""

import os
import pathlib
import shlex
import subprocess
import sys
import time

from tsd_tf.contract.errors import UserError

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Steps:
    """Announces and runs steps.

    Args:
        count: how many there will be.
    """

    def __init__(self, count: int) -> None:
        self._count, self._done, self._began = count, 0, time.monotonic()

    @property
    def minutes(self) -> float:
        """Since the first step."""
        return (time.monotonic() - self._began) / 60

    def announce(self, title: str) -> None:
        """Prints the number, time and title of a step."""
        self._done += 1
        minutes, seconds = divmod(int(60 * self.minutes), 60)
        print(f"\n[{self._done}/{self._count}, {minutes}:{seconds:02d}] {title}", flush=True)

    def run(self, title: str, *arguments: str) -> None:
        """Announces a step and runs Python with these arguments.

        Raises:
            UserError: it ended with another exit code than 0; what it said stands above.
        """
        self.announce(title)
        run(*arguments)


def enter(folder: str) -> pathlib.Path:
    """Makes the repository's root the current folder, where the commands run; returns `folder` as seen from there."""
    path = pathlib.Path(folder).resolve()
    os.chdir(ROOT)
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def run(*arguments: str, capture: bool = False) -> str:
    """As `Steps.run`, without a title; returns what the command printed, if that is captured."""
    print(f"    python {shlex.join(arguments)}", flush=True)
    output = subprocess.PIPE if capture else None
    done = subprocess.run([sys.executable, *arguments], stdout=output, text=True)
    if done.returncode:
        raise UserError(f"a command ended with exit code {done.returncode}: python {shlex.join(arguments)}")
    return done.stdout or ""
