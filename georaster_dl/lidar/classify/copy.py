"""Copies of files of points with other classes, and everything else as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.disk import writing
from georaster_dl.core.errors import OptionError
from georaster_dl.lidar.tiles import foreign_errors, import_laspy

__all__ = ["KEEP", "check_codes", "copy_with_classes"]

KEEP = -1
"""Stands in an array of codes for the class that the point has."""
_CHUNK = 1_000_000
_OLD_FORMATS = 5
_OLD_LARGEST = 31


def check_codes(path: Path, codes: set[int]) -> None:
    """Refuse codes that the point format of a file cannot hold.

    Raises
    ------
    OptionError
        Where one is above 31 and the format is one of 0 to 5, of LAS 1.0 to 1.3.
    """
    laspy = import_laspy()
    with foreign_errors(path), laspy.open(path) as reader:
        kind = reader.header.point_format.id
    if kind <= _OLD_FORMATS and max(codes) > _OLD_LARGEST:
        raise OptionError(
            f"{path.name} has point format {kind}, whose classes end at {_OLD_LARGEST}, but the model gives "
            f"{max(codes)}; write the file in point format 6 (LAS 1.4), or give another code with `codes=`."
        )


def copy_with_classes(
    path: Path, output: Path, codes: npt.NDArray[np.int16], progress: Callable[[int], None]
) -> None:
    """Copy a file in chunks; attributes, records of the header and extra dimensions stay as they are.

    A COPC file becomes a plain LAZ: its index describes another order of bytes.

    Parameters
    ----------
    codes : of each point in the order of the file; ``KEEP`` leaves its class.
    progress : called with the points that were written.

    Raises
    ------
    SceneError
        Where the file is damaged.
    OutputError
        Where the copy cannot be written.
    """
    laspy = import_laspy()
    done = 0
    with foreign_errors(path), laspy.open(path) as reader:
        header = reader.header
        header.vlrs = _without_index(header.vlrs)
        evlrs = _without_index(reader.evlrs) if reader.evlrs else None
        with writing(output), laspy.open(output, mode="w", header=header) as writer:
            for chunk in reader.chunk_iterator(_CHUNK):
                here = codes[done : done + len(chunk)]
                chunk.classification = np.where(here == KEEP, chunk.classification, here).astype(
                    np.uint8
                )
                writer.write_points(chunk)
                done += len(chunk)
                progress(len(chunk))
            if evlrs:
                writer.write_evlrs(evlrs)


def _without_index(records: Any) -> Any:
    """Leave out the records of COPC."""
    kept = type(records)()
    kept.extend([each for each in records if each.user_id != "copc"])
    return kept
