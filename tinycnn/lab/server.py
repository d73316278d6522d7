"""The server: it serves the page, and answers what the page asks through a WebSocket.

The engine runs in one thread of its own, one request at a time, so that two pages do not disturb each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
import socket
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from .guard import Guard, check_token, new_token
from .network import Network, Start, small_network
from .onefile import PAGE
from .session import Session, respond
from .wire import MOST_BYTES, Reply, pack

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.websockets import WebSocket

HOST, PORT = "127.0.0.1", 8765
MOST_PAGES = 16  # open at once; and sessions that wait for their page to come back
PATIENCE = 10.0  # seconds that a page may take to read a message
LEAVING = 2.0  # seconds that a page that is loaded again waits until its former self has left
SLICE = 0.05  # seconds of training between two looks at what pages ask
TOO_MANY = 1013  # code of a closed WebSocket: try again later


class Lab:
    """What all pages share: the network to begin with, its training, and the sessions.

    Parameters
    ----------
    network
        What pages begin with; by default a small network, which is trained when the server starts.
    """

    def __init__(self, network: Network | None = None) -> None:
        self.start = None if network is not None else Start(small_network())
        self.network = network if network is not None else self.start.network  # type: ignore[union-attr]
        self.sessions: OrderedDict[str, Session] = OrderedDict()
        self.open: set[str] = set()
        self.engine = ThreadPoolExecutor(1, "engine")

    async def compute(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return what a function returns that runs in the engine's thread."""
        return await asyncio.get_running_loop().run_in_executor(self.engine, function, *args)

    async def train_start(self) -> None:
        """Train the network to begin with, in slices."""
        while self.start is not None and not self.start.finished:
            await self.compute(self.start.advance, SLICE)

    async def left(self, wanted: str | None) -> None:
        """Wait until the page of a session has left, but not for long: a copy of the page has the same one.

        A page that is loaded again may connect before the server has noticed that the old page is gone.
        """
        until = asyncio.get_running_loop().time() + LEAVING
        while wanted in self.open and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.02)

    def session(self, wanted: str | None) -> Session:
        """Return the session of a page that comes back, or a new one; drop the oldest without a page."""
        if wanted is not None and wanted in self.sessions and wanted not in self.open:
            session = self.sessions[wanted]
            self.sessions.move_to_end(wanted)
        else:
            session = Session(self.network)
            self.sessions[session.id] = session
        for old in [name for name in self.sessions if name not in self.open and name != session.id]:
            if len(self.sessions) > MOST_PAGES:
                del self.sessions[old]
        return session


def application(lab: Lab, token: str, port: int) -> Starlette:
    """Return the application: the page below ``/TOKEN/``, and nothing else.

    Raises
    ------
    ImportError
        If Starlette is not installed.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.routing import Mount, WebSocketRoute
    from starlette.staticfiles import StaticFiles

    mimetypes.add_type("text/javascript", ".js")  # some systems say text/plain, and browsers refuse that

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        training = asyncio.create_task(lab.train_start())
        yield
        await ended(training)
        lab.engine.shutdown(wait=False, cancel_futures=True)

    async def socket(websocket: WebSocket) -> None:
        await Connection(lab, websocket).serve()

    routes = [
        WebSocketRoute(f"/{token}/ws", socket),
        Mount(f"/{token}", StaticFiles(directory=PAGE, html=True)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, port)], lifespan=lifespan)


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task, and wait until it has ended, in whatever way."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Connection:
    """One page's WebSocket."""

    def __init__(self, lab: Lab, websocket: WebSocket) -> None:
        self.lab, self.websocket = lab, websocket
        self._sending = asyncio.Lock()

    async def serve(self) -> None:
        """Answer until the page goes."""
        from starlette.websockets import WebSocketDisconnect

        lab = self.lab
        await self.websocket.accept()
        wanted = self.websocket.query_params.get("session")
        await lab.left(wanted)
        if len(lab.open) >= MOST_PAGES:
            await self.websocket.close(TOO_MANY, f"{MOST_PAGES} pages are open already: close one")
            return
        session = lab.session(wanted)
        lab.open.add(session.id)
        reporting = asyncio.create_task(self._report_start())
        try:
            await self.send(pack(Reply({"event": "hello", "session": session.id})))
            while True:
                message = await self._receive()
                await self.send(await lab.compute(respond, session, message))
        except (WebSocketDisconnect, TimeoutError, RuntimeError):
            pass  # the page was closed, or does not read what it gets
        finally:
            lab.open.discard(session.id)
            await ended(reporting)

    async def send(self, message: str | bytes) -> None:
        """Send a message; raise TimeoutError if the page does not read."""
        async with self._sending:
            if isinstance(message, str):
                await asyncio.wait_for(self.websocket.send_text(message), PATIENCE)
            else:
                await asyncio.wait_for(self.websocket.send_bytes(message), PATIENCE)

    async def _receive(self) -> str | None:
        message = await self.websocket.receive()
        self.websocket._raise_on_disconnect(message)
        return message.get("text")

    async def _report_start(self) -> None:
        """Tell the page how far the network to begin with is trained, until it is."""
        start, told = self.lab.start, -1
        while start is not None and told < start.total:
            if start.done != told:
                told = start.done
                numbers = {"loss": start.loss, "accuracy": start.accuracy}
                reply = Reply({"event": "starting", "done": told, "total": start.total, **numbers})
                await self.send(pack(reply))
            await asyncio.sleep(0.2)


def listen(port: int | None) -> socket.socket:
    """Return a socket on the loopback address: on `port`, or by default on 8765 or, if that is taken, any.

    Raises
    ------
    OSError
        If the port is taken.
    """
    for attempt in (PORT, 0) if port is None else (port,):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, attempt))
        except OSError as error:
            sock.close()
            if port is not None:
                raise OSError(
                    error.errno, f"port {port} cannot be used ({error.strerror}): name another, or none"
                ) from error
        else:
            return sock
    raise OSError("no port can be used on this machine")


def serve(
    network: Network | None = None,
    port: int | None = None,
    token: str | None = None,
    ready: Callable[[str], None] = print,
) -> None:
    """Serve the lab until Ctrl-C.

    Parameters
    ----------
    network
        What pages begin with; see `Lab`.
    port
        See `listen`.
    token
        Part of the address that nobody should guess; by default a random one. With the same port and token,
        open pages connect again after a restart.
    ready
        Called with the address once the server listens.

    Raises
    ------
    ImportError
        If the extra `lab` is not installed.
    OSError
        If the port is taken.
    """
    try:
        import uvicorn
    except ImportError as error:
        raise ImportError("the lab needs Starlette and uvicorn: pip install 'tinycnn[lab]'") from error
    token = new_token() if token is None else check_token(token)
    with listen(port) as sock:
        at = sock.getsockname()[1]
        app = application(Lab(network), token, at)
        config = uvicorn.Config(
            app,
            log_level="error",
            ws="websockets-sansio",
            ws_max_size=MOST_BYTES + 1_000_000,  # a little more, so that what is too long is answered
            lifespan="on",
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        server = uvicorn.Server(config)

        async def run() -> None:
            serving = asyncio.create_task(server.serve(sockets=[sock]))
            while not server.started and not serving.done():
                await asyncio.sleep(0.01)
            if server.started:
                ready(f"http://{HOST}:{at}/{token}/")
            await serving

        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(run())
