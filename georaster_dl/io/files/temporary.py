"""Hidden files and folders of unfinished runs, and the removal of those of killed runs.

Their names say which process made them, so that the next run in a folder can remove what nobody will
finish. They cannot be guessed, and are only ever made new: a link that someone put there is not followed.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psutil

__all__ = [
    "make_folder",
    "refuse_link",
    "remove_abandoned",
    "temporary_folder",
    "temporary_name",
    "working_folder",
]

_OF_PROCESS = re.compile(r"\.geodl-(?P<machine>.+)-(?P<pid>\d+)-(?P<began>\d+)-[^-]+")
_SAME_SECONDS = 60  # by which the clock may have been set since a process began
_PID_NAMESPACE = Path("/proc/self/ns/pid")


def temporary_folder(parent: Path) -> Path:
    """Make a hidden folder that only this user can enter; the files inside get the usual permissions.

    Raises
    ------
    OSError
        When ``parent`` does not exist or cannot be written.
    """
    return Path(tempfile.mkdtemp(prefix=_prefix(os.getpid()), dir=parent))


@contextmanager
def working_folder(parent: Path) -> Iterator[Path]:
    """Make a temporary folder that is gone at the end; raises as ``temporary_folder``."""
    folder = temporary_folder(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def temporary_name(parent: Path) -> Path:
    """Path of a hidden file to be made in ``parent``; open it with mode ``x``."""
    return parent / f"{_prefix(os.getpid())}{secrets.token_hex(8)}"


def make_folder(path: Path) -> None:
    """Make a folder of this program's own, unless it is there.

    Raises
    ------
    OSError
        When it cannot be made, or is a link, which would lead to anywhere.
    """
    refuse_link(path)
    path.mkdir(parents=True, exist_ok=True)


def refuse_link(path: Path) -> None:
    """Raise OSError where a file or folder of this program's own is a link that somebody put there."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link to another place; remove the link", str(path))


def remove_abandoned(parent: Path) -> None:
    """Remove the temporary files of killed processes of this machine from a folder."""
    with os.scandir(parent) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(".geodl-")]
    for name in names:
        found = _OF_PROCESS.fullmatch(name)
        if found is None or found["machine"] != _machine():
            continue
        if not _is_running(int(found["pid"]), int(found["began"])):
            _remove(parent / name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink()


@cache
def _prefix(pid: int) -> str:
    """Return the prefix of a process's temporary names; a forked process has its own."""
    return f".geodl-{_machine()}-{pid}-{psutil.Process(pid).create_time():.0f}-"


@cache
def _machine() -> str:
    """Return the machine's name; a container has its own process numbers, so it counts as a machine."""
    try:
        numbers = _PID_NAMESPACE.stat().st_ino
    except OSError:
        numbers = 0
    return f"{platform.node()}.{numbers}"


def _is_running(pid: int, began: int) -> bool:
    """Whether the process runs that had this number then; numbers are given again."""
    try:
        return bool(abs(psutil.Process(pid).create_time() - began) < _SAME_SECONDS)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True  # it is there, but does not say since when
