"""One run of the engine for a scene's map and what goes with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from torch import nn

from georaster_dl import __version__
from georaster_dl.errors import DeviceError
from georaster_dl.io.staging import Staging
from georaster_dl.io.writer import RasterWriter
from georaster_dl.models.device import Device, is_out_of_memory
from georaster_dl.models.narrow import load_narrowed
from georaster_dl.predict.engine import Job, Mask, Product, run
from georaster_dl.predict.fit import Fit
from georaster_dl.predict.optimise import prepare
from georaster_dl.predict.options import Findings, Outputs, Report, SegmentOptions
from georaster_dl.predict.plan import Plan, make_plan, smaller
from georaster_dl.predict.tasks import Kind, Layer, task_of

__all__ = ["Mapping"]

_GPU_BATCH = 16

Wanted = Callable[[slice, slice], Mask]


class Mapping:
    """A scene, a model and the staged outputs; ``run`` makes the rasters.

    Attributes
    ----------
    scene : planes in the order of the network's channels.
    device : where the network runs.
    """

    def __init__(
        self,
        fit: Fit,
        model: Path,
        outputs: Outputs,
        options: SegmentOptions,
        stage: Staging,
        report: Report,
    ) -> None:
        self.scene = fit.scene
        self._absent = fit.absent
        self._model = model
        self._card = fit.card
        precision = options.precision
        if precision == "auto" and self._card.target is not None:
            # bf16 has 8 significant bits, so values would come in steps of up to a 64th of their
            # standard deviation; a class hardly ever hangs on that.
            precision = "fp32"
        self.device = Device.choose(options.device, precision)
        self._loaded: nn.Module | None = None
        self._outputs = outputs
        self._options = options
        self._stage = stage
        self._report = report

    def run(self, wanted: Wanted | None) -> Findings:
        """Make the rasters and tell what the map holds.

        When the memory does not suffice, it starts over with smaller batches, then tiles.

        Parameters
        ----------
        wanted : for rows and cols of the scene, True where a prediction is asked for.
        """
        plan: Plan | None = make_plan(
            self.scene.shape,
            self._card,
            memory=self.device.memory(),
            halo=self._options.halo,
            tile_limit=self._options.tile,
            largest_batch=_GPU_BATCH if self.device.is_cuda else 1,
            bytes_per_value=self.device.dtype.itemsize,
        )
        while plan is not None:
            try:
                return self._run_once(plan, wanted)
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

    def _run_once(self, plan: Plan, wanted: Wanted | None) -> Findings:
        self._report("start", self._start_facts(plan))
        task = task_of(self._card, float32=self._options.float32)
        layers = {kind: task.layer(kind) for kind in self._paths()}
        pairs = list(zip(self.scene.planes, self._card.bands, strict=True))
        with self._writers(plan, layers) as writers:
            run(
                Job(
                    scene=self.scene,
                    network=self._network,
                    plan=plan,
                    device=self.device,
                    gain=[plane.scale / band.std for plane, band in pairs],
                    bias=[(plane.offset - band.mean) / band.std for plane, band in pairs],
                    activate=task.activate,
                    products={kind: _product(layers[kind], w) for kind, w in writers.items()},
                    wanted=wanted,
                    progress=_progress(self.scene.shape, self._report),
                )
            )
        return task.findings()

    def _network(self) -> nn.Module:
        """The network on the device; loaded once, also when a run starts over."""
        if self._loaded is None:
            card, network = load_narrowed(self._model, [band.name for band in self._card.bands])
            where = self.device.torch_device
            self._loaded = prepare(network, len(card.bands), card.stride, where)
        return self._loaded

    def _paths(self) -> dict[Kind, Path]:
        paths: dict[Kind, Path | None] = {
            "map": self._outputs.map,
            "probabilities": self._outputs.probabilities,
            "confidence": self._outputs.confidence,
        }
        return {kind: path for kind, path in paths.items() if path is not None}

    @contextmanager
    def _writers(self, plan: Plan, layers: dict[Kind, Layer]) -> Iterator[dict[Kind, RasterWriter]]:
        """One open writer per raster; finished together when the block ends well."""
        provenance = self._provenance(plan)
        with ExitStack() as stack:
            writers = {}
            for kind, path in self._paths().items():
                tags = {**provenance, "GEORASTER_DL_CONTENT": kind}
                spec = replace(layers[kind].spec, tags=tags, rpcs=self.scene.rpcs)
                writer = RasterWriter(self._stage.path(path), self.scene.geobox, spec=spec)
                writers[kind] = stack.enter_context(writer)
            yield writers
            for kind, writer in writers.items():
                layers[kind].style(writer.finish())

    def _start_facts(self, plan: Plan) -> dict[str, Any]:
        return {
            "scene": self.scene.name,
            "model": self._card.name,
            "rows": self.scene.shape[0],
            "cols": self.scene.shape[1],
            "tiles": len(plan.tiling),
            "tile": list(plan.tiling.tile_shape),
            "halo": plan.tiling.halo,
            "blend": plan.margin,
            "batch": plan.batch,
            "device": self.device.name,
            "absent": list(self._absent),
            "taken_for": self._taken_for(),
        }

    def _taken_for(self) -> dict[str, str]:
        """Bands of the scene that serve one of another name, which only their wavelength tells."""
        pairs = zip(self._card.bands, self.scene.bands, strict=True)
        return {
            wanted.name: str(band)
            for wanted, band in pairs
            if wanted.name.casefold() != band.name.casefold()
        }

    def _provenance(self, plan: Plan) -> dict[str, str]:
        card, tiling = self._card, plan.tiling
        files = dict.fromkeys(Path(plane.path).name for plane in self.scene.planes)
        given = self._options.scene
        stated = {
            "aoi": self._options.aoi and self._options.aoi.name,
            "nodata": given.nodata,
            "scale": given.scale,
            "offset": given.offset,
        }
        said = "".join(f" {key}={value}" for key, value in stated.items() if value is not None)
        return {
            "GEORASTER_DL_VERSION": __version__,
            "GEORASTER_DL_MODEL": f"{card.name} {card.version}",
            "GEORASTER_DL_MODEL_SHA256": card.weights_sha256,
            "GEORASTER_DL_INPUT": Path(self.scene.name).name,
            "GEORASTER_DL_INPUT_FILES": " ".join(files),
            "GEORASTER_DL_INPUT_BANDS": ",".join(band.name for band in self.scene.bands),
            "GEORASTER_DL_PARAMETERS": f"halo={tiling.halo} blend={plan.margin} "
            f"tile={tiling.tile_shape[0]}x{tiling.tile_shape[1]} device={self.device.name}{said}",
            "TIFFTAG_DATETIME": datetime.now(UTC).strftime("%Y:%m:%d %H:%M:%S"),
            "TIFFTAG_SOFTWARE": f"georaster_dl {__version__}",
        }


def _product(layer: Layer, writer: RasterWriter) -> Product:
    def sink(rows: slice, cols: slice, block: npt.NDArray[Any]) -> None:
        layer.seen(block)
        writer.write(rows, cols, block)

    return Product(layer.render, layer.nodata, sink, layer.from_logits)


def _progress(shape: tuple[int, int], report: Report) -> Callable[[int], None]:
    """Report the pixels done, the rate since the first tile was asked for, and the time left."""
    total = shape[0] * shape[1]
    begun = time.monotonic()
    done = 0

    def progress(pixels: int) -> None:
        nonlocal done
        done += pixels
        rate = done / max(time.monotonic() - begun, 1e-6)
        report(
            "progress",
            {
                "done": done,
                "total": total,
                "mpx_per_s": round(rate / 1e6, 3),
                "seconds_left": round((total - done) / rate, 1),
            },
        )

    return progress
