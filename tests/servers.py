"""An HTTP server on loopback that misbehaves on demand.

    with Server() as server:
        url = server.add("archive.tar.gz", content, ["cut:1000", "status:500"])

answers the first request with 1,000 bytes and a closed connection, the second with HTTP 500, and
all further ones well. A fault ending in "!" stays.

Faults: ``cut:<bytes>`` closes the connection early; ``status:<code>``; ``html`` sends a page;
``other:<bytes>`` sends that many wrong bytes, well-formed; ``long`` states a length beyond the
content; ``stall:<bytes>`` falls silent; ``trickle`` sends twenty bytes a second; ``no-range``
ignores the header Range; ``wrong-range`` sends another part than asked for.
"""

import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

HTML = b"<!DOCTYPE html>\n<html><body>Please log in.</body></html>\n"


@dataclass
class Served:
    content: bytes
    faults: list[str] = field(default_factory=list)

    def next_fault(self) -> str:
        if not self.faults:
            return ""
        if self.faults[0].endswith("!"):
            return self.faults[0][:-1]
        return self.faults.pop(0)


class Server:
    """Serves what `add` was given; `requests` has each request's path and header Range."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str | None]] = []
        self._files: dict[str, Served] = {}
        self._closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()

    def add(self, name: str, content: bytes, faults: list[str] | None = None) -> str:
        """Serve `content` under `name` and return its URL."""
        self._files[f"/{name}"] = Served(content, list(faults or []))
        return f"http://127.0.0.1:{self._http.server_port}/{name}"

    @property
    def ranges(self) -> list[str | None]:
        """The header Range of each request so far."""
        return [asked for _, asked in self.requests]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.requests.append((request.path, asked))
        served = self._files.get(request.path)
        fault, _, argument = (served.next_fault() if served else "status:404").partition(":")
        if served is None or fault == "status":
            self._send(request, int(argument or 404), b"no\n")
        elif fault == "html":
            self._send(request, 200, HTML)
        elif fault == "other":
            self._send(request, 200, b"\xff" * int(argument))
        else:
            self._send_file(request, served.content, asked, fault, argument)

    def _send_file(
        self,
        request: BaseHTTPRequestHandler,
        content: bytes,
        asked: str | None,
        fault: str,
        argument: str,
    ) -> None:
        match = re.fullmatch(r"bytes=(\d+)-", asked or "")
        start = int(match[1]) if match and fault != "no-range" else 0
        if start and start >= len(content):
            self._send(request, 416, b"")
            return
        first = start + 1 if start and fault == "wrong-range" else start
        body = content[first:]
        length = len(body) + (1000 if fault == "long" else 0)
        request.send_response(206 if start else 200)
        request.send_header("Content-Type", "application/gzip")
        request.send_header("Content-Length", str(length))
        if start:
            request.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        request.end_headers()
        if fault in ("cut", "stall"):
            body = body[: int(argument)]
        try:
            if fault == "trickle":
                for position in range(len(body)):
                    request.wfile.write(body[position : position + 1])
                    request.wfile.flush()
                    if self._closing.wait(0.05):
                        return
            request.wfile.write(body)
            request.wfile.flush()
            if fault == "stall":
                self._closing.wait(30)
        except OSError:  # the client has given up
            pass
        if fault in ("cut", "stall", "long"):
            request.close_connection = True

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "text/html")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
