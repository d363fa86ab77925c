"""One run of the engine for a scene's class map and what goes with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from georaster_dl import __version__
from georaster_dl.errors import DeviceError
from georaster_dl.io.scene import Scene
from georaster_dl.io.staging import Staging
from georaster_dl.io.style import write_class_style, write_ramp_style
from georaster_dl.io.writer import RasterSpec, RasterWriter
from georaster_dl.legend import Legend
from georaster_dl.models.package import load_model, read_card
from georaster_dl.predict.device import Device, is_out_of_memory
from georaster_dl.predict.engine import Job, Mask, Product, run
from georaster_dl.predict.optimise import prepare
from georaster_dl.predict.options import Outputs, Report, SegmentOptions
from georaster_dl.predict.plan import Plan, make_plan, smaller

__all__ = ["Mapping"]

# Probabilities as whole numbers: 250 steps leave 255 for nodata and make the scale a round 0.004.
_STEPS = 250
_UINT8_NODATA = 255
_GPU_BATCH = 16

Kind = Literal["map", "probabilities", "confidence"]
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
        scene: Scene,
        model: Path,
        outputs: Outputs,
        options: SegmentOptions,
        stage: Staging,
        report: Report,
    ) -> None:
        self.scene = scene
        self.device = Device.choose(options.device, options.precision)
        self._model = model
        self._card = read_card(model)
        self._loaded: nn.Module | None = None
        self._outputs = outputs
        self._options = options
        self._stage = stage
        self._report = report

    def run(self, wanted: Wanted | None) -> dict[str, int]:
        """Make the rasters and count the pixels of each class.

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

    def _run_once(self, plan: Plan, wanted: Wanted | None) -> dict[str, int]:
        self._report("start", self._start_facts(plan))
        counter = _Counter(self._card.legend)
        pairs = list(zip(self.scene.planes, self._card.bands, strict=True))
        with self._writers(plan) as writers:
            run(
                Job(
                    scene=self.scene,
                    network=self._network,
                    plan=plan,
                    device=self.device,
                    gain=[plane.scale / band.std for plane, band in pairs],
                    bias=[(plane.offset - band.mean) / band.std for plane, band in pairs],
                    products={kind: self._product(kind, w, counter) for kind, w in writers.items()},
                    temperature=self._card.calibration.temperature,
                    wanted=wanted,
                    progress=_progress(self.scene.shape, self._report),
                )
            )
        return counter.counts()

    def _network(self) -> nn.Module:
        """The network on the device; loaded once, also when a run starts over."""
        if self._loaded is None:
            card, network = load_model(self._model)
            where = self.device.torch_device
            self._loaded = prepare(network, len(card.bands), card.stride, where)
        return self._loaded

    @contextmanager
    def _writers(self, plan: Plan) -> Iterator[dict[Kind, RasterWriter]]:
        """One open writer per raster; finished together when the block ends well."""
        paths: dict[Kind, Path | None] = {
            "map": self._outputs.map,
            "probabilities": self._outputs.probabilities,
            "confidence": self._outputs.confidence,
        }
        with ExitStack() as stack:
            writers = {
                kind: stack.enter_context(
                    RasterWriter(
                        self._stage.path(path), self.scene.geobox, spec=self._spec(kind, plan)
                    )
                )
                for kind, path in paths.items()
                if path is not None
            }
            yield writers
            for kind, writer in writers.items():
                self._style(kind, writer.finish())

    def _spec(self, kind: Kind, plan: Plan) -> RasterSpec:
        """How one output raster is stored."""
        legend = self._card.legend
        tags = {**self._provenance(plan), "GEORASTER_DL_CONTENT": kind}
        if kind == "map":
            return RasterSpec(
                names=["land cover"],
                dtype=legend.dtype,
                nodata=legend.nodata,
                overview="mode",
                legend=legend,
                tags=tags,
                rpcs=self.scene.rpcs,
            )
        small = not self._options.float32
        return RasterSpec(
            names=legend.names if kind == "probabilities" else ["confidence"],
            dtype="uint8" if small else "float32",
            nodata=_UINT8_NODATA if small else float("nan"),
            overview="average",
            tags=tags,
            scale=1 / _STEPS if small else None,
            rpcs=self.scene.rpcs,
        )

    def _style(self, kind: Kind, path: Path) -> None:
        """What makes programs show the raster with names and colours."""
        if kind == "map":
            write_class_style(path, self._card.legend)
        else:
            write_ramp_style(path, minimum=0.0, maximum=1.0)

    def _product(self, kind: Kind, writer: RasterWriter, counter: _Counter) -> Product:
        if kind != "map":
            small = not self._options.float32
            render = partial(_best if kind == "confidence" else _every, small=small)
            return Product(render, _UINT8_NODATA if small else float("nan"), writer.write)
        legend = self._card.legend

        def sink(rows: slice, cols: slice, block: npt.NDArray[Any]) -> None:
            counter.add(block)
            writer.write(rows, cols, block)

        return Product(partial(_classes, legend=legend), legend.nodata, sink, from_logits=True)

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


def _classes(scores: Tensor, *, legend: Legend) -> Tensor:
    """Value of the most probable class, (1, rows, cols)."""
    index = scores.argmax(dim=0, keepdim=True)
    if legend.values != list(range(len(legend.values))):
        index = torch.tensor(legend.values, device=index.device)[index]
    return index.to(torch.uint8 if legend.dtype == "uint8" else torch.uint16)


def _best(probabilities: Tensor, *, small: bool) -> Tensor:
    """Probability of the mapped class, (1, rows, cols)."""
    return _stored(probabilities.amax(dim=0, keepdim=True), small=small)


def _every(probabilities: Tensor, *, small: bool) -> Tensor:
    """All probabilities, (classes, rows, cols)."""
    return _stored(probabilities, small=small)


def _stored(share: Tensor, *, small: bool) -> Tensor:
    # A copy in either case: nodata is written into it.
    return share.mul(_STEPS).round_().to(torch.uint8) if small else share.clone()


class _Counter:
    """Pixels of each class, counted on the way."""

    def __init__(self, legend: Legend) -> None:
        self._legend = legend
        self._counts = np.zeros(legend.nodata + 1, np.int64)

    def add(self, block: npt.NDArray[Any]) -> None:
        """Count the classes of a block."""
        self._counts += np.bincount(block.ravel(), minlength=self._counts.size)

    def counts(self) -> dict[str, int]:
        """Pixels of each class by its name."""
        return {c.name: int(self._counts[c.value]) for c in self._legend.classes}


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
