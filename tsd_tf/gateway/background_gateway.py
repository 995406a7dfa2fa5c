"""A gateway in a thread, for tests and benchmarks."""

from typing import Any

from tsd_tf.gateway.gateway import Gateway
from tsd_tf.serving.background import Background


class BackgroundGateway(Background):
    """A Gateway in a thread of this process: `with BackgroundGateway(...) as gateway:`.

    Args:
        *args, **kwargs: see Gateway; free ports are taken unless they are given.

    Attributes:
        address, url, admin_url: see Gateway.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._gateway = Gateway(*args, **{"port": 0, "rest_port": 0, "admin_port": 0, **kwargs})
        super().__init__(self._gateway)

    def __enter__(self) -> "BackgroundGateway":
        super().__enter__()
        self.address, self.url, self.admin_url = self._gateway.address, self._gateway.url, self._gateway.admin_url
        return self
