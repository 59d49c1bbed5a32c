"""A server on loopback that takes webhooks, in a thread, as an app of whoever tests would."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from typing import Any

from fluxkit_mockserver.outlet import Delivery


class Taking(http.server.BaseHTTPRequestHandler):
    """Hands what comes to the server's queue, and answers what the server says."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        address = f"http://{self.headers['host']}{self.path}"
        answer = self.server.answer(Delivery(address, dict(self.headers.items()), body))  # type: ignore[attr-defined]
        self.send_response(answer)
        self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def listening(answer: Any) -> Iterator[str]:
    """A server on loopback, for webhooks; gives its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    server.answer = answer  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
