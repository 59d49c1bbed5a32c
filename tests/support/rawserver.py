"""A server on loopback that does over a plain socket what a script says: answer, lie, drip, drop, hang, speak TLS.

A script is a function that is given each connection, in a thread of its own, and may do with it what it likes; when it
returns, the connection is closed. Leaving the ``with`` block ends all of them.
"""

import contextlib
import gzip
import select
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

# For localhost, service.test, images.test and 127.0.0.1, from 2020 to 2125. It signs itself, so it is a root as well.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBtTCCAVugAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv
c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyNjAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFqc/C226RiwBoBt
HfwuY3/DcvNeYKcg5vZesotua4WcdRqu7izXifDV9LkAPHXPgYf8mG0zSnQNniGK
m3PdffGjgZswgZgwHQYDVR0OBBYEFAMT5Ml4ww/7F82yxWOHTGFinWwTMB8GA1Ud
IwQYMBaAFAMT5Ml4ww/7F82yxWOHTGFinWwTMA8GA1UdEwEB/wQFMAMBAf8wDgYD
VR0PAQH/BAQDAgKEMDUGA1UdEQQuMCyCCWxvY2FsaG9zdIIMc2VydmljZS50ZXN0
ggtpbWFnZXMudGVzdIcEfwAAATAKBggqhkjOPQQDAgNIADBFAiEAiFa96uPAIU1W
lciMsxMS2dhFysNWhHcaKX7JlkW2210CIHwiDqQK8ijuHIlVaR6JgpxIhKudFXOB
FZVVRLOSQNNx
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgQL4bsg7DhBRsFZY/
ylxakNkx20cSv+ewwuByLDptdIuhRANCAARanPwttukYsAaAbR38LmN/w3LzXmCn
IOb2XrKLbmuFnHUaru4s14nw1fS5ADx1z4GH/JhtM0p0DZ4hiptz3X3x
-----END PRIVATE KEY-----
"""


class Heard(NamedTuple):
    """A request as it came over the wire; the names of the headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Peer:
    """One connection, as the server has it. *number* counts the connections from 1."""

    def __init__(self, wire: socket.socket, number: int, stopped: threading.Event, heard: list[Heard]) -> None:
        self.wire = wire
        self.number = number
        self._stopped = stopped
        self._heard = heard
        self._rest = b""

    def hear(self) -> Heard | None:
        """The next request, None if the other side closed first."""
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                return None
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(self._rest) < length:
            if not self._more():
                return None
        body, self._rest = self._rest[:length], self._rest[length:]
        heard = Heard(method, target, headers, body)
        self._heard.append(heard)
        return heard

    def say(self, *pieces: bytes) -> None:
        """Sends all of it."""
        for piece in pieces:
            self.wire.sendall(piece)

    def drip(self, content: bytes, *, pause: float = 0.02) -> None:
        """Sends a byte, waits for *pause* seconds, and so on, until the other side or the server has had enough."""
        for byte in content:
            self.wire.sendall(bytes([byte]))
            if self.pause(pause):
                return

    def pause(self, seconds: float) -> bool:
        """Does nothing for some time; tells whether the server was stopped."""
        return self._stopped.wait(seconds)

    def hang(self) -> None:
        """Does nothing until the server is stopped."""
        self._stopped.wait()

    def drop(self) -> None:
        """Ends the connection with a reset, as a machine does that knows nothing of it any more."""
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wire.close()

    def relay(self, port: int) -> None:
        """Passes bytes to and from another server on loopback, as a proxy does behind a CONNECT."""
        with socket.create_connection(("127.0.0.1", port)) as onward:
            other = {self.wire: onward, onward: self.wire}
            while True:
                unread = isinstance(self.wire, ssl.SSLSocket) and self.wire.pending()
                for source in [self.wire] if unread else select.select(list(other), [], [])[0]:
                    if not (piece := source.recv(65536)):
                        return
                    other[source].sendall(piece)

    def _more(self) -> bool:
        piece = self.wire.recv(65536)
        self._rest += piece
        return bool(piece)


Script = Callable[[Peer], None]


class RawServer:
    """Runs *script* for each connection to ``127.0.0.1:port``; *heard* lists the requests, *connections* counts."""

    def __init__(self, script: Script, *, tls: bool = False) -> None:
        self._script = script
        self._context = _server_context() if tls else None
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._wires: list[socket.socket] = []
        self._failures: list[Exception] = []
        self.heard: list[Heard] = []
        self.connections = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):  # wakes the acceptor
            socket.create_connection(("127.0.0.1", self.port)).close()
        self._acceptor.join()
        self._listener.close()
        for wire in list(self._wires):
            with contextlib.suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        if kind is None and self._failures:
            raise self._failures[0]

    def _accept(self) -> None:
        while True:
            wire, _ = self._listener.accept()
            if self._stopped.is_set():
                wire.close()
                return
            self.connections += 1
            self._wires.append(wire)
            thread = threading.Thread(target=self._serve, args=(wire, self.connections))
            self._threads.append(thread)
            thread.start()

    def _serve(self, wire: socket.socket, number: int) -> None:
        try:
            if self._context is not None:
                wire = self._context.wrap_socket(wire, server_side=True, do_handshake_on_connect=False)
                self._wires.append(wire)
                wire.do_handshake()
            self._script(Peer(wire, number, self._stopped, self.heard))
        except OSError:
            pass  # the other side is gone, or did not like the certificate
        except Exception as failure:
            self._failures.append(failure)
        finally:
            wire.close()


def http(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """An answer. The underscores of a header's name become hyphens; the right length is given unless another is."""
    fields = {"content-length": str(len(body)), **{name.replace("_", "-").lower(): headers[name] for name in headers}}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode("latin-1") + body


def answering(answer: bytes | Callable[[Heard], bytes]) -> Script:
    """A script that gives every request the same answer, or the one that a function finds for it."""

    def script(peer: Peer) -> None:
        while (heard := peer.hear()) is not None:
            peer.say(answer if isinstance(answer, bytes) else answer(heard))

    return script


def zipped(content: bytes) -> bytes:
    """An answer that is packed as gzip."""
    return http(body=gzip.compress(content, mtime=0), content_encoding="gzip")


@contextlib.contextmanager
def certificate() -> Iterator[Path]:
    """The certificate as a file, for SSL_CERT_FILE."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "certificate.pem")
        file.write_text(CERTIFICATE)
        yield file


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "both.pem")
        file.write_text(KEY + CERTIFICATE)
        context.load_cert_chain(file)
    return context
