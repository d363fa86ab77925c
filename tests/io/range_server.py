"""Serve a folder with byte ranges on a free port; print the port, log the bytes sent."""

import functools
import http.server
import sys
from pathlib import Path


class Ranges(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        data = Path(self.translate_path(self.path)).read_bytes()
        span = self.headers.get("Range")
        first, last = 0, len(data) - 1
        if span:
            a, b = span.removeprefix("bytes=").split("-")
            first, last = int(a), min(int(b or last), last)
        body = data[first : last + 1]
        with (Path(self.directory) / "sent.txt").open("a") as log:
            log.write(f"{len(body)}\n")
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    handler = functools.partial(Ranges, directory=sys.argv[1])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()
