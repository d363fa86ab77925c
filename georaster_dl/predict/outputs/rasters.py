"""Runs of the engine that write rasters, with retries after running out of memory and a journal."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import DeviceError, OptionError, SceneError
from georaster_dl.core.events import InferenceStarted, Warned
from georaster_dl.io.output.provenance import labels_tags, provenance
from georaster_dl.io.output.staged_raster import Sink
from georaster_dl.io.output.staging import Staging
from georaster_dl.io.raster import Raster
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.models.runtime.dated import load_dated
from georaster_dl.models.runtime.device import Device, is_out_of_memory
from georaster_dl.models.runtime.optional_bands import load_narrowed
from georaster_dl.predict.engine.inference import Job, Product, of_pixels, run
from georaster_dl.predict.engine.journal import Journal
from georaster_dl.predict.engine.optimise import optimise_network
from georaster_dl.predict.engine.place import Place
from georaster_dl.predict.engine.rewrite.network import Rewritten
from georaster_dl.predict.engine.tiling_plan import Plan, make_plan, smaller
from georaster_dl.predict.matching.conversion import conversion_of
from georaster_dl.predict.matching.scene_match import SceneMatch
from georaster_dl.predict.options import Findings
from georaster_dl.predict.outputs.output_raster import OutputRaster, raster_sinks
from georaster_dl.predict.outputs.tasks import Task
from georaster_dl.predict.predictors.choice import PredictorChoice
from georaster_dl.predict.predictors.network import network_of_passes
from georaster_dl.predict.prepare import PreparedRun
from georaster_dl.predict.progress import Progress

__all__ = ["RasterRun", "loader"]

T = TypeVar("T")

_GPU_BATCH = 16


def loader(
    prepared: PreparedRun,
    change: Callable[[nn.Module], nn.Module] = lambda network: network,
    changed: Hashable = None,
    choice: PredictorChoice | None = None,
) -> Callable[[], nn.Module]:
    """Make the function that loads the model's network for the scene's bands, on the device.

    Parameters
    ----------
    change : replaces the loaded network, for example by one that gives features.
    changed : all that ``change`` depends on, beside model and bands; a key of the cache.
    choice : how probabilities or values are made; None for one pass.
    """
    card, device = prepared.match.card, prepared.context.options.device
    present = tuple(band.name for band in card.bands)
    choice = choice or PredictorChoice()

    def load() -> nn.Module:
        where = Device.choose(device).torch_device
        if choice.several:
            return change(network_of_passes(prepared.model, card, choice, where)).to(where)
        if prepared.match.dates:
            return change(load_dated(prepared.model, prepared.match.dates)).to(where)
        network = change(load_narrowed(prepared.model, present)[1])
        network = optimise_network(network, len(present), card.stride, where)
        return Rewritten(network, card.stride)

    files = [_file_key(path) for path in (prepared.model, *(m.model for m in choice.members))]
    key = (*files, present, prepared.match.dates, device, changed, choice.kind, choice.how)

    def load_once() -> nn.Module:
        network = prepared.context.networks.get(key, load)
        for module in network.modules():
            if isinstance(module, Rewritten):
                module.warn_with(prepared.context.warn)
        return network

    return load_once


def _file_key(path: Path) -> Hashable:
    file = path.stat()
    return path.resolve(), file.st_size, file.st_mtime_ns


class RasterRun:
    """Rasters of a scene by a model.

    Parameters
    ----------
    load : gives the prepared network; asked for once, while the first strip is read.
    make_task : a new object that says what the network's planes mean, for each attempt.
    choice : how probabilities or values are made; None for one pass.

    Attributes
    ----------
    device : where the network runs.
    """

    def __init__(
        self,
        prepared: PreparedRun,
        load: Callable[[], nn.Module],
        make_task: Callable[[], Task],
        choice: PredictorChoice | None = None,
    ) -> None:
        self._prepared = prepared
        self._scene, self._card = prepared.match.scene, prepared.match.card
        self._load = load
        self._make_task = make_task
        self._choice = choice or PredictorChoice()
        precision = prepared.context.options.precision
        if precision == "auto" and not make_task().fastest:
            precision = "fp32"
        self.device = Device.choose(prepared.context.options.device, precision)
        self._loaded: nn.Module | None = None
        self._report = prepared.context.report

    def run(self, stage: Staging, paths: Mapping[str, Path], journal: Journal | None) -> Findings:
        """Make the rasters and summarise their contents.

        When the memory does not suffice, it starts over with smaller batches, then tiles.

        Parameters
        ----------
        paths : outputs of ``stage`` that are rasters, by their kind; the main one first.
        journal : of strips that are finished, and that takes the others; None keeps none.

        Raises
        ------
        SceneError
            When no pixel is valid where a prediction is asked for.
        DeviceError
            When not even the smallest tiles fit into the memory.
        """
        findings = self._fitting(lambda plan: self._run_once(plan, stage, paths, journal), journal)
        self._check_found(findings)
        return findings

    def in_memory(self, kinds: Sequence[str]) -> dict[str, Raster]:
        """Make the rasters of these kinds in memory.

        Raises
        ------
        SceneError, DeviceError
            As ``run`` raises them.
        """
        rasters, findings = self._fitting(lambda plan: self._run_in_memory(plan, kinds), None)
        self._check_found(findings)
        return rasters

    def hand_over(self, sink: Sink) -> None:
        """Give the network's planes of the pixels that are asked for to a sink, block by block.

        Parameters
        ----------
        sink : takes rows, cols and a block (planes, rows, cols), NaN where nothing was asked for or
            measured; a block may come again after the memory did not suffice.

        Raises
        ------
        DeviceError
            When not even the smallest tiles fit into the memory.
        """

        def copied(planes: Tensor) -> Tensor:
            return planes.to(torch.float32, copy=True)

        product = Product(copied, math.nan, sink, from_logits=True)

        def attempt(plan: Plan) -> None:
            self._report(self._started(plan))
            # Planes of neighbouring tiles are not blended: what they mean is not known here.
            job = self._job(replace(plan, margin=0), self._make_task(), {}, {})
            run(replace(job, products={"planes": product}))

        self._fitting(attempt, None)

    def into(self, kind: str, make_sink: Callable[[Task], Sink]) -> Findings:
        """Hand the blocks of the raster of a kind to a sink and write no file.

        Parameters
        ----------
        make_sink : makes the sink for a new task, each time that the run starts over.

        Raises
        ------
        SceneError, DeviceError
            As ``run`` raises them.
        """
        findings = self._fitting(lambda plan: self._run_into(plan, kind, make_sink), None)
        self._check_found(findings)
        return findings

    def _check_found(self, findings: Findings) -> None:
        if not findings.pixels:
            aoi = self._prepared.aoi
            raise SceneError(
                f"{self._scene.name} has no valid pixel{' in the area of interest' if aoi else ''}: all "
                f"are nodata, NaN or masked; check `nodata=`, `mask=` and `aoi=`."
            )

    def add_part(self, journal: Journal, kinds: Sequence[str], number: int, of: int) -> None:
        """Add the missing strips of an equal part of the scene to the journal.

        Raises
        ------
        DeviceError
            When the memory does not suffice: all parts are cut alike, so this one cannot change it.
        """
        plan = self._agreed(self._plan(), journal)
        strips = plan.tiling.grid[0]
        asked = range(strips * number // of, strips * (number + 1) // of)
        try:
            self._add(plan, kinds, journal, asked)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise DeviceError(
                f"{self.device.name} ran out of memory with tiles of {plan.tiling.tile_shape}; give the "
                f"worker more memory or fewer tasks at a time, or use a smaller `halo=`."
            ) from error

    def _plan(self) -> Plan:
        return make_plan(
            self._prepared.tiling,
            memory=self.device.memory(),
            largest_batch=_GPU_BATCH if self.device.is_cuda else 1,
            threads=1 if self.device.is_cuda else torch.get_num_threads(),
            bytes_per_value=self.device.dtype.itemsize,
        )

    def _agreed(self, plan: Plan, journal: Journal) -> Plan:
        """Take the plan and the precision that all strips of the journal have."""
        own = {"precision": self.device.precision, **plan.cut()}
        try:
            return self._following(plan, journal.agreed(own))
        except OptionError:  # no cut of this scene
            journal.cut_again()
            return self._following(plan, journal.agreed(own))

    def _following(self, plan: Plan, cut: dict[str, Any]) -> Plan:
        self.device = Device.choose(self._prepared.context.options.device, cut.pop("precision"))
        return plan.as_cut(cut)

    def _fitting(self, attempt: Callable[[Plan], T], journal: Journal | None) -> T:
        """Attempt it with smaller and smaller plans until the memory suffices."""
        plan: Plan | None = self._plan()
        while plan is not None:
            try:
                return attempt(plan if journal is None else self._agreed(plan, journal))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            plan = self._after_out_of_memory(plan)
            if journal is not None:
                journal.cut_again()
        raise DeviceError(
            f"{self.device.name} ran out of memory even with the smallest tiles for this halo; free "
            f"memory, use a smaller `halo=` or another `device=`."
        )

    def _after_out_of_memory(self, plan: Plan) -> Plan | None:
        if self.device.is_cuda:
            torch.cuda.empty_cache()
        after = smaller(plan)
        if after is not None:
            message = (
                f"out of memory with batches of {plan.batch} x {plan.tiling.tile_shape}, "
                f"{plan.at_once} at once; starting over with {after.batch} x "
                f"{after.tiling.tile_shape}, {after.at_once} at once"
            )
            self._report(Warned(message))
        return after

    def _run_once(
        self, plan: Plan, stage: Staging, paths: Mapping[str, Path], journal: Journal | None
    ) -> Findings:
        kinds = list(paths)
        if journal is not None:
            self._add(plan, kinds, journal, range(plan.tiling.grid[0]))
        task = self._make_task()
        rasters = {kind: _marked(task.raster(kind), kind) for kind in kinds}
        by_path = {path: rasters[kind] for kind, path in paths.items()}
        with raster_sinks(stage, self._scene, by_path, self._provenance(plan)) as opened:
            sinks = dict(zip(kinds, opened, strict=True))
            if journal is None:
                self._report(self._started(plan))
                run(self._job(plan, task, rasters, sinks))
            else:
                for strip in range(plan.tiling.grid[0]):
                    for kind, rows, cols, pixels in journal.blocks(strip, kinds):
                        sinks[kind](rows, cols, pixels)
        return task.findings()

    def _run_in_memory(
        self, plan: Plan, kinds: Sequence[str]
    ) -> tuple[dict[str, Raster], Findings]:
        task = self._make_task()
        rasters = {kind: task.raster(kind) for kind in kinds}
        arrays = {kind: _MemoryRaster(raster, self._scene) for kind, raster in rasters.items()}
        self._report(self._started(plan))
        run(self._job(plan, task, rasters, {kind: made.take for kind, made in arrays.items()}))
        return {kind: made.raster() for kind, made in arrays.items()}, task.findings()

    def _run_into(self, plan: Plan, kind: str, make_sink: Callable[[Task], Sink]) -> Findings:
        task = self._make_task()
        self._report(self._started(plan))
        run(self._job(plan, task, {kind: task.raster(kind)}, {kind: make_sink(task)}))
        return task.findings()

    def _add(self, plan: Plan, kinds: Sequence[str], journal: Journal, asked: range) -> None:
        """Compute the strips of a range that the journal lacks."""
        self._report(self._started(plan))
        done = journal.done(asked)
        task = self._make_task()
        rasters = {kind: task.raster(kind) for kind in kinds}
        with journal.writing(kinds) as file:
            sinks: dict[str, Sink] = {kind: partial(file.add, kind) for kind in kinds}
            before = sum(_pixels(plan, strip) for strip in asked if strip in done)
            job = self._job(plan, task, rasters, sinks, before)
            for strips in _runs([strip for strip in asked if strip not in done]):
                run(replace(job, strips=strips, strip_done=file.done))

    def _job(
        self,
        plan: Plan,
        task: Task,
        rasters: Mapping[str, OutputRaster[Tensor]],
        sinks: Mapping[str, Sink],
        before: int = 0,
    ) -> Job:
        conversion = conversion_of(self._prepared.match)
        gain, bias = _normalisation(self._prepared.match, converted=conversion is not None)
        aoi = self._prepared.aoi
        products: dict[str, Product] = {
            kind: Product(raster.render, raster.spec.nodata, sinks[kind], raster.from_logits)
            for kind, raster in rasters.items()
        }
        return Job(
            scene=self._scene,
            network=self._network,
            plan=plan,
            device=self.device,
            gain=gain,
            bias=bias,
            # A network of series takes the pixel for masked at all dates.
            fill=math.nan if self._prepared.match.dates else 0.0,
            convert=conversion,
            activate=task.activate,
            products=products,
            aoi_mask=None if aoi is None else aoi.mask,
            progress=Progress(math.prod(self._scene.shape), self._report, before),
            predict=_at_place if self._choice.several else of_pixels,
        )

    def _network(self) -> nn.Module:
        """Load the network at its first use, also when a run starts over."""
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def _started(self, plan: Plan) -> InferenceStarted:
        rows, cols = self._scene.shape
        return InferenceStarted(
            device=self.device.name,
            scene=self._scene.name,
            rows=rows,
            cols=cols,
            model=self._card.name,
            tiles=len(plan.tiling),
            tile=plan.tiling.tile_shape,
            halo=plan.tiling.halo,
            blend=plan.margin,
            batch=plan.batch,
            absent=self._prepared.match.absent,
            matched_by_wavelength=self._matched_by_wavelength(),
            resampled=self._prepared.match.resampling is not None,
        )

    def _matched_by_wavelength(self) -> dict[str, str]:
        """Map names of the model's bands to the scene's bands that were matched by wavelength."""
        pairs = zip(self._card.bands, self._prepared.match.bands, strict=True)
        return {
            wanted.name: str(band)
            for wanted, band in pairs
            if wanted.name.casefold() != band.name.casefold()
        }

    def _provenance(self, plan: Plan) -> dict[str, str]:
        card, tiling, options = self._card, plan.tiling, self._prepared.context.options
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
                "resampled": "yes" if self._prepared.match.resampling is not None else None,
            },
        )
        tags |= {"GEORASTER_DL_MODEL_SHA256": card.weights_sha256, **self._choice.tags()}
        novelty = self._prepared.doubts.novelty
        if novelty is not None:
            tags |= {"GEORASTER_DL_NOVELTY_SHARE": f"{novelty.share:.4f}"}
        return tags | labels_tags(card.training)


def _at_place(network: nn.Module, image: Tensor, place: Place) -> Tensor:
    outputs: Tensor = network(image, place)
    return outputs


class _MemoryRaster:
    """Pixels of an output raster in memory, filled block by block."""

    def __init__(self, output: OutputRaster[Tensor], scene: Scene) -> None:
        self._output = output
        self._geobox = scene.geobox
        spec = output.spec
        self._pixels = np.full((len(spec.names), *scene.shape), spec.nodata, spec.dtype)

    def take(self, rows: slice, cols: slice, block: npt.NDArray[Any]) -> None:
        """Take a block (bands, rows, cols) of final pixels."""
        self._output.seen(block)
        self._pixels[:, rows, cols] = block

    def raster(self) -> Raster:
        """Give all pixels with their meaning."""
        spec = self._output.spec
        first = self._pixels[0]
        valid = ~np.isnan(first) if np.isnan(spec.nodata or 0) else first != spec.nodata
        bands = tuple(spec.bands) or tuple(Band(name) for name in spec.names)
        return Raster(self._pixels, valid, self._geobox, bands, spec.legend, spec.unit)


def _normalisation(match: SceneMatch, *, converted: bool) -> tuple[list[float], list[float]]:
    """Compute gain and bias of each band that normalise a tile's stored or physical values."""
    bands = match.card.bands
    if converted:
        return [1 / band.std for band in bands], [-band.mean / band.std for band in bands]
    pairs = list(zip(match.scene.planes, bands, strict=True))
    gain = [plane.scale / band.std for plane, band in pairs]
    return gain, [(plane.offset - band.mean) / band.std for plane, band in pairs]


def _marked(raster: OutputRaster[Tensor], kind: str) -> OutputRaster[Tensor]:
    """Add the tag with the raster's kind."""
    tags = {**raster.spec.tags, "GEORASTER_DL_CONTENT": kind}
    return replace(raster, spec=replace(raster.spec, tags=tags))


def _pixels(plan: Plan, strip: int) -> int:
    rows = plan.tiling.strip(strip)[0].core_rows
    pixels: int = (rows.stop - rows.start) * plan.tiling.shape[1]
    return pixels


def _runs(strips: Sequence[int]) -> Iterator[range]:
    """Join consecutive strips to ranges."""
    start = 0
    for i in range(1, len(strips) + 1):
        if i == len(strips) or strips[i] != strips[i - 1] + 1:
            yield range(strips[start], strips[i - 1] + 1)
            start = i
