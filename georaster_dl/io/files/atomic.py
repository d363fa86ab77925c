"""Whole files, written to local disks in one step."""

from __future__ import annotations

import re
from pathlib import Path

from georaster_dl.core.disk import explain_os_error
from georaster_dl.core.errors import OutputError
from georaster_dl.io.files.temporary import temporary_name

__all__ = ["check_local", "write_atomically"]

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/|/vsi\w+/", re.IGNORECASE)  # a drive has one letter


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write a file beside its place and rename it there, so that it is never seen half written.

    Raises
    ------
    OutputError
        When the folder does not exist or cannot be written.
    """
    making = temporary_name(path.parent)
    try:
        with making.open("xb") as file:
            file.write(content)
        making.replace(path)
    except OSError as error:
        raise explain_os_error(error, path) from error
    finally:
        making.unlink(missing_ok=True)


def check_local(output: Path | str) -> None:
    """Check that an output is a local file and no address.

    Raises
    ------
    OutputError
        For ``s3://``, ``https://``, ``/vsis3/`` and their like, also as ``Path`` has them (``s3:/``).
    """
    text = str(output).replace("\\", "/")
    if _ADDRESS.match(text):
        raise OutputError(
            f"The output {text} is an address, but outputs are written to local disks; give a local path "
            f"and upload the file afterwards."
        )
