"""What only whoever runs the gateway is to see, as an aiohttp application on a port of its own."""

from collections.abc import Callable

import prometheus_client
from aiohttp import web

from tsd_tf.gateway.metrics import Metrics
from tsd_tf.gateway.probes import add_probes
from tsd_tf.serving.http_listener import keep_alive


def application(metrics: Metrics, is_ready: Callable[[], bool]) -> web.Application:
    """/metrics, /healthz and /readyz."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(body=metrics.page(), headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})

    app = web.Application(middlewares=[keep_alive])
    app.router.add_get("/metrics", page)
    add_probes(app, is_ready)
    return app
