"""The built page in a browser of this machine, before a real gateway with the model that ships."""

import contextlib
import os

import pytest

from benchmarks import browser
from tsd_tf import models
from tsd_tf.contract import signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.gateway import page_site
from tsd_tf.gateway.backend_address import BackendAddress
from tsd_tf.gateway.background_gateway import BackgroundGateway
from tsd_tf.gateway.page_site import PageSite
from tsd_tf.serving.server import BackgroundServer


def _missing():
    """Why there is nothing to test; "" if there is."""
    if not page_site.is_built():
        return "the web page is not built: make web"
    try:
        browser.find()
        import axe_playwright_python  # noqa: F401
        import playwright  # noqa: F401
    except (UserError, ModuleNotFoundError) as error:
        return str(error)
    return ""


def pytest_collection_modifyitems(items):
    """Without page or browser these tests are skipped; where TSD_REQUIRE_BROWSER is set they fail instead."""
    reason = _missing()
    if reason and not os.environ.get("TSD_REQUIRE_BROWSER"):
        for item in items:
            if item.path.parent.name == "web":
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def launch():
    """A function: a running browser, with these arguments; a context."""
    if reason := _missing():
        pytest.fail(reason)
    return browser.launch


@pytest.fixture(scope="session")
def cloud():
    """The cloud half of the model that ships, served."""
    with BackgroundServer(models.ACTIONS / signatures.CLOUD_DIR) as running:
        yield running


@pytest.fixture(scope="session")
def serve(cloud):
    """A function: the gateway with the page, as a context. Arguments are Gateway's, and PageSite's `is_isolated`."""

    @contextlib.contextmanager
    def start(export=models.ACTIONS, backend=cloud, is_isolated=True, **options):
        address = BackendAddress.parse(f"{backend.address}:{backend.url.rpartition(':')[2]}")
        site = PageSite(export, models.ACTIONS / models.VIDEOS_DIR, is_isolated=is_isolated)
        with BackgroundGateway([address], page=site, decoding={"num_workers": 1}, **options) as running:
            yield running

    return start
