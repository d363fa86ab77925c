"""Logits of labelled pixels of scenes, of each pass of a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from georaster_dl.calibration.ground import LabelledPixels
from georaster_dl.calibration.judged import GroundLogits
from georaster_dl.core.errors import SceneError
from georaster_dl.io.environment import gdal_environment
from georaster_dl.predict.segment import SegmentRun

__all__ = ["gather_logits"]


def gather_logits(runs: Sequence[SegmentRun], pixels: Sequence[LabelledPixels]) -> GroundLogits:
    """Run a model over the tiles that hold labelled pixels, and take their logits.

    Pixels without a measurement are left out.

    Parameters
    ----------
    runs, pixels : of each scene.

    Raises
    ------
    SceneError
        When one half of the blocks has no labelled pixel that is valid.
    """
    with gdal_environment():
        found = [
            (logits, chosen)
            for run, chosen in zip(runs, pixels, strict=True)
            if len(chosen.places) and (logits := run.at_pixels(chosen.places)) is not None
        ]
    if found:
        logits = np.concatenate([of_scene for of_scene, _ in found])
        known = np.isfinite(logits).all(axis=(1, 2))
        target, block, half = (
            np.concatenate([getattr(chosen, name) for _, chosen in found])[known]
            for name in ("target", "block", "half")
        )
        if half.any() and not half.all():
            return GroundLogits(logits[known], target, block, half)
    name = runs[0].prepared.match.scene.name
    raise SceneError(
        f"Too few labelled pixels are valid: {name}{' and the other scenes' if len(runs) > 1 else ''} "
        f"are nodata, NaN or masked nearly everywhere the labels are; check `nodata=` and the labels' place."
    )
