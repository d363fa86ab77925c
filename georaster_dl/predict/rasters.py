"""One run of the engine: the rasters that a network's planes become."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from torch import nn

from georaster_dl.errors import DeviceError, SceneError
from georaster_dl.io.provenance import provenance
from georaster_dl.io.staging import Staging
from georaster_dl.io.writer import RasterWriter
from georaster_dl.models.device import Device, is_out_of_memory
from georaster_dl.models.narrow import load_narrowed
from georaster_dl.predict.conversion import conversion_of
from georaster_dl.predict.engine import Job, Mask, Product, run
from georaster_dl.predict.fit import Fit
from georaster_dl.predict.optimise import prepare
from georaster_dl.predict.options import Findings
from georaster_dl.predict.plan import Plan, make_plan, smaller
from georaster_dl.predict.progress import Progress
from georaster_dl.predict.ready import Ready
from georaster_dl.predict.tasks import Kind, Layer, Task

__all__ = ["RasterRun", "loader"]

_GPU_BATCH = 16

Wanted = Callable[[slice, slice], Mask]


def loader(ready: Ready) -> Callable[[], nn.Module]:
    """What loads the model's network, narrowed to the bands that the scene has."""
    present = [band.name for band in ready.fit.card.bands]
    return lambda: load_narrowed(ready.model, present)[1]


class RasterRun:
    """A scene, a model and the staged outputs; ``run`` makes the rasters.

    Parameters
    ----------
    load : gives the network; asked for once, while the first strip is read.
    make_task : a new object that says what the network's planes mean, for each attempt.

    Attributes
    ----------
    device : where the network runs.
    """

    def __init__(
        self,
        ready: Ready,
        stage: Staging,
        load: Callable[[], nn.Module],
        make_task: Callable[[], Task],
    ) -> None:
        self._ready = ready
        self._scene, self._card = ready.fit.scene, ready.fit.card
        self._stage = stage
        self._load = load
        self._make_task = make_task
        precision = ready.options.precision
        if precision == "auto" and not make_task().fastest:
            precision = "fp32"
        self.device = Device.choose(ready.options.device, precision)
        self._loaded: nn.Module | None = None
        self._report = ready.report

    def run(self, paths: Mapping[Kind, Path]) -> Findings:
        """Make the rasters and tell what they hold.

        When the memory does not suffice, it starts over with smaller batches, then tiles.

        Raises
        ------
        SceneError
            When no pixel is valid where a prediction is asked for.
        DeviceError
            When not even the smallest tiles fit into the memory.
        """
        aoi = self._ready.aoi
        found = self._run(paths, None if aoi is None else aoi.mask)
        if not found.pixels:
            raise SceneError(
                f"{self._scene.name} has no valid pixel{' in the area of interest' if aoi else ''}: all "
                f"are nodata, NaN or masked; check --nodata and --aoi."
            )
        return found

    def _run(self, paths: Mapping[Kind, Path], wanted: Wanted | None) -> Findings:
        options = self._ready.options
        plan: Plan | None = make_plan(
            self._scene.shape,
            self._card,
            memory=self.device.memory(),
            halo=options.halo,
            tile_limit=options.tile,
            largest_batch=_GPU_BATCH if self.device.is_cuda else 1,
            bytes_per_value=self.device.dtype.itemsize,
        )
        while plan is not None:
            try:
                return self._run_once(plan, paths, wanted)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            plan = self._after_out_of_memory(plan)
        raise DeviceError(
            f"{self.device.name} ran out of memory even with the smallest tiles for this halo; free "
            f"memory, use a smaller --halo or another --device."
        )

    def _after_out_of_memory(self, plan: Plan) -> Plan | None:
        if self.device.is_cuda:
            torch.cuda.empty_cache()
        after = smaller(plan)
        if after is not None:
            message = (
                f"out of memory with batches of {plan.batch} x {plan.tiling.tile_shape}; starting "
                f"over with {after.batch} x {after.tiling.tile_shape}"
            )
            self._report("warning", {"message": message})
        return after

    def _run_once(self, plan: Plan, paths: Mapping[Kind, Path], wanted: Wanted | None) -> Findings:
        self._report("start", self._start_facts(plan))
        task = self._make_task()
        layers = {kind: task.layer(kind) for kind in paths}
        conversion = conversion_of(self._ready.fit)
        gain, bias = _normalisation(self._ready.fit, converted=conversion is not None)
        with self._writers(plan, layers, paths) as writers:
            run(
                Job(
                    scene=self._scene,
                    network=self._network,
                    plan=plan,
                    device=self.device,
                    gain=gain,
                    bias=bias,
                    convert=conversion,
                    activate=task.activate,
                    products={kind: _product(layers[kind], w) for kind, w in writers.items()},
                    wanted=wanted,
                    progress=Progress(math.prod(self._scene.shape), self._report),
                )
            )
        return task.findings()

    def _network(self) -> nn.Module:
        """The network on the device; loaded once, also when a run starts over."""
        if self._loaded is None:
            card = self._card
            where = self.device.torch_device
            self._loaded = prepare(self._load(), len(card.bands), card.stride, where)
        return self._loaded

    @contextmanager
    def _writers(
        self, plan: Plan, layers: Mapping[Kind, Layer], paths: Mapping[Kind, Path]
    ) -> Iterator[dict[Kind, RasterWriter]]:
        """One open writer per raster; finished together when the block ends well."""
        provenance = self._provenance(plan)
        with ExitStack() as stack:
            writers = {}
            for kind, path in paths.items():
                spec = layers[kind].spec
                tags = {**provenance, **spec.tags, "GEORASTER_DL_CONTENT": kind}
                spec = replace(spec, tags=tags, rpcs=self._scene.rpcs)
                writer = RasterWriter(self._stage.path(path), self._scene.geobox, spec=spec)
                writers[kind] = stack.enter_context(writer)
            yield writers
            for kind, writer in writers.items():
                layers[kind].style(writer.finish())

    def _start_facts(self, plan: Plan) -> dict[str, Any]:
        return {
            "scene": self._scene.name,
            "model": self._card.name,
            "rows": self._scene.shape[0],
            "cols": self._scene.shape[1],
            "tiles": len(plan.tiling),
            "tile": list(plan.tiling.tile_shape),
            "halo": plan.tiling.halo,
            "blend": plan.margin,
            "batch": plan.batch,
            "device": self.device.name,
            "absent": list(self._ready.fit.absent),
            "taken_for": self._taken_for(),
            "resampled": self._ready.fit.resampling is not None,
        }

    def _taken_for(self) -> dict[str, str]:
        """Bands of the scene that serve one of another name, which only their wavelength tells."""
        pairs = zip(self._card.bands, self._ready.fit.bands, strict=True)
        return {
            wanted.name: str(band)
            for wanted, band in pairs
            if wanted.name.casefold() != band.name.casefold()
        }

    def _provenance(self, plan: Plan) -> dict[str, str]:
        card, tiling, options = self._card, plan.tiling, self._ready.options
        rows, cols = tiling.tile_shape
        tags = provenance(
            self._scene,
            options.scene,
            model=f"{card.name} {card.version}",
            parameters={
                "halo": tiling.halo,
                "blend": plan.margin,
                "tile": f"{rows}x{cols}",
                "device": self.device.name,
                "aoi": options.aoi and options.aoi.name,
                "resampled": "yes" if self._ready.fit.resampling is not None else None,
            },
        )
        return {**tags, "GEORASTER_DL_MODEL_SHA256": card.weights_sha256}


def _normalisation(fit: Fit, *, converted: bool) -> tuple[list[float], list[float]]:
    """Gain and bias of each band that normalise what a tile holds: stored numbers, or values."""
    bands = fit.card.bands
    if converted:
        return [1 / band.std for band in bands], [-band.mean / band.std for band in bands]
    pairs = list(zip(fit.scene.planes, bands, strict=True))
    gain = [plane.scale / band.std for plane, band in pairs]
    return gain, [(plane.offset - band.mean) / band.std for plane, band in pairs]


def _product(layer: Layer, writer: RasterWriter) -> Product:
    def sink(rows: slice, cols: slice, block: npt.NDArray[Any]) -> None:
        layer.seen(block)
        writer.write(rows, cols, block)

    return Product(layer.render, layer.nodata, sink, layer.from_logits)
