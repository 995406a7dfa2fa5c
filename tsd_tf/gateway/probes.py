"""What Kubernetes and load balancers ask for by HTTP."""

from collections.abc import Callable

from aiohttp import web


def add_probes(app: web.Application, is_ready: Callable[[], bool]) -> None:
    """Adds /healthz, 200 as long as the process answers, and /readyz, 503 unless requests are welcome."""

    async def healthz(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(request: web.Request) -> web.Response:
        return web.Response(text="ready\n") if is_ready() else web.Response(text="not ready\n", status=503)

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
