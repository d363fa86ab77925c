"""JSON of strangers: bounded in size, depth and time."""

import contextlib
import http.server
import os
import threading
import time

import pytest

from georaster_dl.core.errors import SceneError
from georaster_dl.io.files import json_files
from georaster_dl.io.files.json_files import read_json
from georaster_dl.io.formats.stac import load_json


@pytest.fixture
def serve():
    """Serve an answer that a function writes, piece by piece; gives the address."""
    servers = []

    def start(write):
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                with contextlib.suppress(OSError):  # nobody listens any more
                    write(self.wfile)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/item.json"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_whole_answer(serve):
    address = serve(lambda to: to.write(b'HTTP/1.0 200 OK\r\n\r\n{"type": "Feature"}'))
    assert read_json(address) == {"type": "Feature"}


def test_an_answer_without_end(serve):
    def write(to):
        to.write(b"HTTP/1.0 200 OK\r\n\r\n[")
        while True:
            to.write(b"0," * 50_000)

    with pytest.raises(ValueError, match="larger than 1 MiB"):
        read_json(serve(write), most=2**20)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_an_answer_in_drops(serve, monkeypatch, head):
    monkeypatch.setattr(json_files, "_PATIENCE_SECONDS", 0.5)

    def write(to):
        to.write(head)
        while True:
            to.write(b"x")
            time.sleep(0.1)

    with pytest.raises(SceneError, match="try again later"):
        load_json(serve(write))


def test_an_answer_that_is_no_http(serve):
    with pytest.raises(SceneError, match="cannot be read"):
        load_json(serve(lambda to: to.write(b"SSH-2.0-x\r\n")))


def test_files_are_bounded_too(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" * 200_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(path)
    path.write_bytes(b"\xef\xbb\xbf" + b'{"a": 1}')
    assert read_json(path) == {"a": 1}
    with path.open("wb") as file:
        file.truncate(2**30)  # takes no room
    with pytest.raises(ValueError, match="larger than 128 MiB"):
        read_json(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "pipe.json", "/dev/zero"):
        with pytest.raises(ValueError, match="no regular file"):
            read_json(path)
