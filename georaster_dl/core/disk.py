"""Files that cannot be written: checked for before, and explained after."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from georaster_dl.core.errors import GeoRasterError, OutputError

__all__ = ["explain_os_error", "free_bytes", "is_disk_full", "require_space", "writing"]

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def writing(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """Turn failures to write a file into an OutputError with its name, the reason and the free space.

    Parameters
    ----------
    errors : types that a library raises besides OSError.
    """
    failures: tuple[type[Exception], ...] = (OSError, *errors)
    try:
        yield
    except GeoRasterError:
        raise
    except failures as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error.__cause__ or error).split())
        free = (free_bytes([path]) or 0) / 2**20
        raise OutputError(
            f"Cannot write {path.name}: {reason} ({free:.0f} MiB are free on its disk); free some space "
            f"or write to another disk."
        ) from error


def is_disk_full(error: OSError) -> bool:
    """Return whether the disk or the user's quota was full."""
    return error.errno in _DISK_FULL


def explain_os_error(error: OSError, path: Path, *, free: int | None = None) -> OutputError:
    """Make a one-line error with the reason why ``path`` cannot be written, and a remedy.

    Parameters
    ----------
    error : what the system reported.
    path : the output as the user knows it.
    free : bytes that were free when it failed; asked now when None.
    """
    if is_disk_full(error):
        left = free_bytes([path]) if free is None else free
        return OutputError(
            f"Cannot write {path}: no space left ({(left or 0) / 2**20:.0f} MiB free, {error.strerror}); "
            f"free some space or write to another disk."
        )
    if error.errno == errno.ENOENT and not path.parent.exists():
        return OutputError(
            f"Cannot write {path}: the folder {path.parent} does not exist; create it or name another one."
        )
    reason = error.strerror or str(error)
    return OutputError(
        f"Cannot write {path}: {reason}; check the folder's permissions or write elsewhere."
    )


def require_space(path: Path, needed: int) -> None:
    """Check, before ``path`` is begun, that its disk has ``needed`` bytes left.

    Raises
    ------
    OutputError
        When there is too little room or the folder does not exist.
    """
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError as error:
        raise explain_os_error(error, path) from error
    if free < needed:
        raise OutputError(
            f"Cannot write {path.name}: no space left: {needed / 2**20:.1f} MiB needed, "
            f"{free / 2**20:.1f} MiB free; free some space or write to another disk."
        )


def free_bytes(outputs: Sequence[Path]) -> int | None:
    """Return the bytes left on the fullest of the outputs' disks; None where none can be asked."""
    try:
        return min(shutil.disk_usage(output.parent.resolve()).free for output in outputs)
    except (OSError, ValueError):  # a folder is gone, or there are no outputs
        return None
