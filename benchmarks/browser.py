"""A Chromium of this machine, as tests and benchmarks drive it."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tsd_tf.contract.errors import UserError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str:
    """The browser's program: that of the environment variable TSD_BROWSER, or the first that is found.

    Raises:
        UserError: there is none.
    """
    named = os.environ.get("TSD_BROWSER")
    found = next(filter(None, map(shutil.which, [named] if named else _NAMES)), None)
    if found is None:
        raise UserError(f"no browser: looked for {named or ', '.join(_NAMES)}; apt-get install chromium")
    return found


@contextlib.contextmanager
def launch(arguments: Sequence[str] = ()) -> Iterator["Browser"]:
    """A running browser without windows, until the end of the block.

    Args:
        arguments: more of the command line.

    Raises:
        UserError: there is no browser, or no Playwright to drive it.
    """
    program = find()
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError as error:
        raise UserError("no Playwright: pip install playwright") from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(arguments))
        try:
            yield browser
        finally:
            browser.close()
