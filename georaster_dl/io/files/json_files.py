"""JSON from files and addresses that may be anybody's: bounded in size, depth and time."""

from __future__ import annotations

import json
import stat
import threading
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

__all__ = ["is_address", "read_json"]

_MOST_BYTES = 128 * 2**20
_PATIENCE_SECONDS, _SLOWEST_BYTES, _LONGEST_SECONDS = 30.0, 1000, 600.0
_CHUNK_BYTES = 1 << 16


def is_address(source: str) -> bool:
    """Whether this is an http(s) address."""
    return source.lower().startswith(("http://", "https://"))


def read_json(source: str | Path, *, most: int = _MOST_BYTES) -> Any:
    """Read JSON from a file or an http(s) address.

    An answer must come at 1 kB/s at least, after half a minute, and within ten minutes.

    Parameters
    ----------
    most : bytes that it may have.

    Raises
    ------
    OSError, ValueError
        When it cannot be read, is no JSON, or goes beyond these bounds.
    """
    text = _downloaded(str(source), most) if is_address(str(source)) else _read(Path(source), most)
    if len(text) > most:
        raise ValueError(f"it is larger than {most >> 20} MiB")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _read(path: Path, most: int) -> bytes:
    if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe or a device may never end
        raise ValueError("it is no regular file")
    with path.open("rb") as file:
        return file.read(most + 1)


def _downloaded(address: str, most: int) -> bytes:
    """Content of an address, one byte more than ``most`` where it has more."""
    download = _Download(address, most)
    begun = time.monotonic()
    while not download.ended.wait(0.1):
        seconds = time.monotonic() - begun
        expected = _PATIENCE_SECONDS + len(download.content) / _SLOWEST_BYTES
        if seconds > min(expected, _LONGEST_SECONDS):
            download.unwanted = True
            raise TimeoutError(
                f"only {len(download.content)} bytes came in {seconds:.0f} s; try again later"
            )
    if download.error is not None:
        raise download.error
    return bytes(download.content)


class _Download:
    """Download in its own thread, because a socket's timeout does not bound slow responses."""

    def __init__(self, address: str, most: int) -> None:
        self.content = bytearray()
        self.error: Exception | None = None
        self.unwanted = False
        self.ended = threading.Event()
        self._address, self._most = address, most
        threading.Thread(target=self._run, name="download", daemon=True).start()

    def _run(self) -> None:
        try:
            with urllib.request.urlopen(self._address, timeout=_PATIENCE_SECONDS) as response:
                while len(self.content) <= self._most and not self.unwanted:
                    chunk = response.read1(min(_CHUNK_BYTES, self._most + 1 - len(self.content)))
                    if not chunk:
                        break
                    self.content += chunk
        except HTTPException as error:
            self.error = OSError(f"the server's answer is no HTTP ({error!r})")
        except Exception as error:  # noqa: BLE001 - raised by whoever waits
            self.error = error
        finally:
            self.ended.set()
