"""Parts of a large scene, which several workers process; finished strips go to the job's journal.

A scene of 100 Mpx or more that keeps a journal is cut into parts of its strips, and one task after
them makes the outputs. A part has 50 Mpx at most, and there are at least two for every worker.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

from georaster_dl.batches.job import SceneJob
from georaster_dl.predict.run import SceneRun

__all__ = ["LARGE", "count_parts"]

LARGE = 100_000_000
"""Pixels from which a scene is split."""
_PART_PIXELS = 50_000_000
_PART_ROWS = 64  # a tile is hardly ever lower, and a part without a tile does nothing


def count_parts(job: SceneJob, large: int, count_workers: Callable[[], int]) -> int:
    """Count the parts to split a job into, and make its journal; 0 for a job that is not split.

    Parameters
    ----------
    large : pixels from which a scene is split.
    count_workers : called for scenes that are split.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with scene, model or outputs.
    """
    if job.options.journal is None:
        return 0
    run = job.run()
    rows, cols = run.prepared.match.scene.shape
    if rows * cols < large:
        return 0
    wanted = max(math.ceil(rows * cols / _PART_PIXELS), 2 * count_workers(), 2)
    _check_outputs(run)
    # Made by one before all, or each of several workers would empty it of what others did.
    run.prepared.journal()
    return min(wanted, max(rows // _PART_ROWS, 1))


class _Checked(Exception):  # noqa: N818 - no error
    pass


def _check_outputs(run: SceneRun) -> None:
    """Refuse outputs before the parts are made, not after."""
    with suppress(_Checked), run.prepared.staged():
        raise _Checked
