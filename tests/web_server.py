"""A web server on this machine that misbehaves on request."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Faults:
    """What a server has and how it errs; each answer takes the next of `cuts` and `errors`.

    Attributes
    ----------
    content : what it gives out.
    cuts : bytes after which it closes the connection (None: never).
    errors : answers it gives in the place of the content (None: none).
    silence : seconds for which it says nothing after the first half.
    etag : identifies the content; None: it names nothing.
    ranges : whether it can start in the middle.
    asked : (out) the Range of every request.
    """

    content: bytes
    cuts: list[int | None] = field(default_factory=list)
    errors: list[int | None] = field(default_factory=list)
    silence: float = 0.0
    etag: str | None = '"1"'
    ranges: bool = True
    asked: list[str | None] = field(default_factory=list)


@contextmanager
def serving(faults: Faults) -> Iterator[str]:
    """Yield the address of a server that lives as long as the context."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["Range"]
            faults.asked.append(asked)
            error = faults.errors.pop(0) if faults.errors else None
            if error:
                self.send_error(error)
                return
            start = 0
            if asked and faults.ranges and self.headers["If-Range"] == faults.etag:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                if start >= len(faults.content):
                    self.send_error(416)
                    return
            content = faults.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content)))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(faults.content) - 1}/{len(faults.content)}")
            if faults.etag:
                self.send_header("ETag", faults.etag)
            self.end_headers()
            cut = faults.cuts.pop(0) if faults.cuts else None
            content = content[:cut]
            try:
                self.wfile.write(content[:len(content) // 2])
                time.sleep(faults.silence)
                self.wfile.write(content[len(content) // 2:])
            except OSError:  # whoever asked is gone
                return

        def log_message(self, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/text"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
