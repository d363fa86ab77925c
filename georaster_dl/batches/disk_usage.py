"""Estimate of the disk space that a job's rasters take, while they are made and afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from georaster_dl.batches.job import SceneJob
from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import tensor_shapes
from georaster_dl.predict.options import FeatureOptions, Outputs, SegmentOptions
from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS, ExtraRaster, map_spec

__all__ = ["DiskUsage", "estimate_disk_usage"]

_BLOCK = 512  # pixels; rasters consist of whole blocks
_WITH_OVERVIEWS = 4 / 3
_HEAD = "segmentation_head"


@dataclass(frozen=True)
class DiskUsage:
    """Bytes, at most: compressed rasters are smaller.

    Attributes
    ----------
    peak : at most while the job runs, outputs included.
    outputs : of the outputs alone.
    """

    peak: int
    outputs: int


@dataclass(frozen=True)
class _Raster:
    """Bytes of a pixel: as it is computed, in the work file with its overviews, in the output."""

    computed: int
    work: float
    output: float


def estimate_disk_usage(job: SceneJob, card: Card, shape: tuple[int, int]) -> DiskUsage:
    """Estimate the disk space of a job; features are left out where the weights do not say their number.

    Parameters
    ----------
    card : the model's.
    shape : rows, cols of the scene.
    """
    rasters = _rasters(job, card)
    pixels = float(np.prod([-(-n // _BLOCK) * _BLOCK for n in shape]))
    journal = sum(r.computed for r in rasters) if job.options.journal is not None else 0
    # Work files go one by one, each when its output stands.
    peak = journal + sum(r.work for r in rasters) + max((r.output for r in rasters), default=0)
    return DiskUsage(int(pixels * peak), int(pixels * sum(r.output for r in rasters)))


def _rasters(job: SceneJob, card: Card) -> list[_Raster]:
    outputs, options = job.outputs, job.options
    if isinstance(outputs, Outputs):
        of_map = options if isinstance(options, SegmentOptions) else SegmentOptions()
        kinds = [EXTRA_OUTPUTS[name] for name in outputs.extras]
        extras = [k.spec(card, of_map) for k in kinds if isinstance(k, ExtraRaster)]
        return [
            _plain(_pixel_bytes(spec)) for spec in (map_spec(card, float32=of_map.float32), *extras)
        ]
    layer = options.layer if isinstance(options, FeatureOptions) else None
    packed = isinstance(options, FeatureOptions) and options.packed
    features = 0 if job.model is None else _features(job.model, layer)
    rasters = [_packed(features) if packed else _plain(4 * features)]
    return rasters + ([_plain(4)] if outputs.error else [])


def _pixel_bytes(spec: RasterSpec) -> int:
    return len(spec.names) * np.dtype(spec.dtype).itemsize


def _plain(size: int) -> _Raster:
    return _Raster(size, size * _WITH_OVERVIEWS, size * _WITH_OVERVIEWS)


def _packed(bands: int) -> _Raster:
    """Size of packed bands: floats are on disk beside the 16-bit values until these are written."""
    return _Raster(4 * bands, 6 * bands, 2 * bands * _WITH_OVERVIEWS)


def _features(model: Path, layer: str | None) -> int:
    """Read the channel count of a layer from its weights: inputs of the head, or outputs of the layer."""
    shapes = tensor_shapes(model)
    name = layer or _HEAD
    kernels = [s for tensor, s in shapes.items() if tensor.startswith(f"{name}.") and len(s) == 4]
    if not kernels:
        return 0
    return kernels[0][1] if layer is None else kernels[-1][0]
