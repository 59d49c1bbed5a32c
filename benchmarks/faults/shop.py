"""A service on loopback that speaks as fal, OpenAI, Replicate and Black Forest Labs do, sells images and keeps count.

It speaks each wire as far as the client of that service needs for one image, and strikes with the fault that the prompt
names: a prompt is ``FAULT / CLIENT``, so that every call is counted apart.
"""

import base64
import http.server
import itertools
import json
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import attrs

from .rows import DOWNLOAD, FAILURES, JOB, LOST, REFUSAL, REFUSED, SECONDS

#: A picture of one pixel.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

#: The longest body that is read, and how many seconds a connection may be idle.
MOST_BODY, PATIENCE = 100_000, 30.0


@attrs.define(eq=False)
class Tally:
    """What one call of a client came to."""

    submits: int = 0
    bought: list[str] = attrs.field(factory=list)
    polls: int = 0
    downloads: int = 0
    late: float | None = None


@attrs.frozen(eq=False)
class Job:
    """An image that was bought; *done_at* is on the monotonic clock."""

    id: str
    prompt: str
    done_at: float

    @property
    def done(self) -> bool:
        """Whether the image is there."""
        return time.monotonic() >= self.done_at


class Shop:
    """The service, for as long as the ``with`` block lasts."""

    def __init__(self) -> None:
        self.tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self.jobs: dict[str, Job] = {}
        self._sold: dict[tuple[str, str | None], Job] = {}
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        shop = self

        class Handler(_Handler):
            pass

        Handler.shop = shop
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def host(self) -> str:
        """Where the service is, such as ``127.0.0.1:40123``."""
        return "{}:{}".format(*self._server.server_address[:2])

    @property
    def url(self) -> str:
        """Its address, such as ``http://127.0.0.1:40123``."""
        return f"http://{self.host}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def sell(self, prompt: str, token: str | None) -> tuple[Job | None, bool]:
        """Sells an image, or refuses; and says whether the answer is lost.

        Who resends with the same *token*, which is an Idempotency-Key, gets the image that was sold before.
        """
        fault = prompt.partition(" / ")[0]
        with self._lock:
            tally = self.tallies[prompt]
            tally.submits += 1
            if fault == REFUSAL and tally.submits == REFUSED:
                return None, False
            job = self._sold.get((prompt, token))
            if token is None or job is None:
                takes = SECONDS if fault == JOB else 0.0
                job = Job(f"job-{next(self._numbers):08}", prompt, time.monotonic() + takes)
                self.jobs[job.id] = self._sold[prompt, token] = job
                tally.bought.append(job.id)
            return job, tally.submits <= LOST.get(fault, 0)

    def looked(self, job: Job, *, poll: bool) -> None:
        """Counts a look at a job, and notes when its end was first told."""
        with self._lock:
            tally = self.tallies[job.prompt]
            tally.polls += poll
            if job.done and tally.late is None:
                tally.late = time.monotonic() - job.done_at

    def fetched(self, job: Job) -> bool:
        """Counts a download, and says whether it succeeds."""
        with self._lock:
            tally = self.tallies[job.prompt]
            tally.downloads += 1
            return not (job.prompt.startswith(DOWNLOAD) and tally.downloads <= FAILURES)


class _Handler(http.server.BaseHTTPRequestHandler):
    """The wires. Each is as its service documents it, without what no client here reads."""

    shop: Shop
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(min(int(self.headers["content-length"]), MOST_BODY)))
        path = urlsplit(self.path).path
        prompt = body["input"]["prompt"] if "input" in body else body["prompt"]
        job, lost = self.shop.sell(prompt, self.headers.get("idempotency-key"))
        if job is None:
            self._say(400, {"detail": "The prompt is not acceptable."})
        elif lost:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif path.startswith("/fal-ai/"):
            self._say(200, {"request_id": job.id, "queue_position": 0, "status": "IN_QUEUE", **self._fal(job)})
        elif path.endswith("/predictions"):
            # "Prefer: wait" asks the service to hold its answer until the image is there, for a minute at most.
            if self.headers.get("prefer", "").startswith("wait"):
                time.sleep(max(0.0, job.done_at - time.monotonic()))
                self.shop.looked(job, poll=False)
            self._say(201, self._prediction(job))
        elif path.endswith("/images/generations"):
            self._say(200, {"created": 1, "data": [{"b64_json": base64.b64encode(PICTURE).decode()}]})
        else:
            self._say(200, {"id": job.id, "polling_url": f"{self.shop.url}/v1/get_result?id={job.id}"})

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        names = parts.path.split("/")
        named = {"get_result": parse_qs(parts.query).get("id", [""])[0], "status": names[-2]}
        job = self.shop.jobs[named.get(names[-1], names[-1])]
        if names[1] == "images":
            self._picture(job)
            return
        self.shop.looked(job, poll=names[-2] != "requests")
        if names[-1] == "status":
            word = "COMPLETED" if job.done else "IN_PROGRESS"
            self._say(200, {"status": word, "request_id": job.id, "logs": [], **self._fal(job)})
        elif names[-2] == "requests":
            self._say(200, {"images": [{"url": self._link(job), "content_type": "image/png"}], "seed": 1})
        elif names[-2] == "predictions":
            self._say(200, self._prediction(job))
        else:
            result = {"sample": self._link(job)} if job.done else None
            self._say(200, {"id": job.id, "status": "Ready" if job.done else "Pending", "result": result})

    def _link(self, job: Job) -> str:
        return f"{self.shop.url}/images/{job.id}"

    def _fal(self, job: Job) -> Mapping[str, Any]:
        place = f"{self.shop.url}/fal-ai/flux/requests/{job.id}"
        return {"response_url": place, "status_url": f"{place}/status", "cancel_url": f"{place}/cancel"}

    def _prediction(self, job: Job) -> Mapping[str, Any]:
        return {
            "id": job.id,
            "model": "black-forest-labs/flux-dev",
            "version": "hidden",
            "status": "succeeded" if job.done else "starting",
            "input": {"prompt": job.prompt},
            "output": [self._link(job)] if job.done else None,
            "logs": "",
            "error": None,
            "created_at": "2026-01-01T00:00:00Z",
            "urls": {"get": f"{self.shop.url}/v1/predictions/{job.id}"},
        }

    def _picture(self, job: Job) -> None:
        if self.shop.fetched(job):
            self._send(200, PICTURE, "image/png")
        else:
            self._send(503, b"Service Unavailable\n", "text/plain")

    def _say(self, status: int, document: Mapping[str, Any]) -> None:
        self._send(status, json.dumps(document).encode(), "application/json")

    def _send(self, status: int, body: bytes, media_type: str) -> None:
        self.send_response(status)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
