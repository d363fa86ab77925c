"""A network over a scene: readers, model and writer overlap, and only strips are in memory."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from georaster_dl.core.errors import DeviceError
from georaster_dl.io.output.staged_raster import Sink
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.models.runtime.device import Device
from georaster_dl.predict.engine.pipeline import BoundedWriter, Prefetched, in_order
from georaster_dl.predict.engine.place import Place
from georaster_dl.predict.engine.strips import TileInput, read_tiles
from georaster_dl.predict.engine.tiling_plan import Plan
from georaster_dl.tiling.stitch import Stitcher
from georaster_dl.tiling.tiles import Tile

__all__ = ["Job", "Product", "of_pixels", "run"]

_READ_AHEAD = 1  # and one more is being cut while that waits
_WRITE_BEHIND = 4
_CACHED = 2**20  # bytes of float32 that are normalised at a time

T = TypeVar("T")
Mask = npt.NDArray[np.bool_]


def of_pixels(network: nn.Module, image: Tensor, _place: Place) -> Tensor:
    """Run a network that asks for nothing but the images."""
    outputs: Tensor = network(image)
    return outputs


@dataclass(frozen=True)
class Product:
    """One raster made from the network's output.

    Attributes
    ----------
    render : (planes, rows, cols) activated to (bands, rows, cols) of the output, in memory of its
        own or that nobody else reads.
    nodata : value where the scene has no measurement or no prediction was asked for.
    sink : where finished blocks go.
    from_logits : whether ``render`` gives the same without the activation, which is then spared.
    """

    render: Callable[[Tensor], Tensor]
    nodata: float | None
    sink: Sink
    from_logits: bool = False


@dataclass(frozen=True)
class Job:
    """All that a run needs.

    Attributes
    ----------
    scene : planes in the order of the network's channels.
    network : gives the prepared network, (N, planes, rows, cols) from (N, bands, rows, cols); it
        is asked for while the first strip is being read.
    gain, bias : normalised value = number * gain + bias, one of each per band.
    fill : normalised value of a pixel without a measurement: the mean of the training, or NaN.
    predict : runs the network over a batch of images, given where these lie.
    convert : makes of a tile's stored numbers those that are normalised; None where they are.
    activate : the network's planes of a tile to float32 that means something and may be mixed
        between neighbours: probabilities, or values.
    aoi_mask : for rows and cols of the scene, True where a prediction is asked for; None for all.
    progress : called with the number of scene pixels that were finished.
    strips : rows of tiles to do; None for all.
    strip_done : called with the number of each row of tiles, in order, when all its blocks were handed
        over and none of the next.
    """

    scene: Scene
    network: Callable[[], nn.Module]
    plan: Plan
    device: Device
    gain: Sequence[float]
    bias: Sequence[float]
    activate: Callable[[Tensor], Tensor]
    products: Mapping[str, Product]
    predict: Callable[[nn.Module, Tensor, Place], Tensor] = of_pixels
    convert: Callable[[TileInput], TileInput] | None = None
    aoi_mask: Callable[[slice, slice], Mask] | None = None
    progress: Callable[[int], None] = field(default=lambda _: None)
    fill: float = 0.0
    strips: range | None = None
    strip_done: Callable[[int], None] = field(default=lambda _: None)

    @property
    def asked(self) -> range:
        """Rows of tiles whose blocks are handed over."""
        return range(self.plan.tiling.grid[0]) if self.strips is None else self.strips

    @property
    def predicted(self) -> range:
        """Rows of tiles that the network sees: where seams are blended, the one above belongs to it."""
        above = 1 if self.plan.margin > 0 and self.asked.start > 0 else 0
        return range(self.asked.start - above, self.asked.stop)


@dataclass
class _Batch:
    tiles: list[tuple[Tile, Mask]]  # with the valid mask of the tile's outer window
    numbers: Tensor | None  # (N, bands, rows, cols), on the device
    valid: Tensor  # (N, 1, rows, cols), on the device

    @property
    def place(self) -> Place:
        """Location of the images in the scene, (0, 0) for the padding of a batch."""
        origins = [(tile.outer_rows.start, tile.outer_cols.start) for tile, _ in self.tiles]
        return Place([*origins, *[(0, 0)] * (len(self.valid) - len(origins))], self.valid)

    def take_numbers(self) -> Tensor:
        """The numbers, once: a tile's worth of memory less while the network runs."""
        numbers, self.numbers = self.numbers, None
        if numbers is None:
            raise RuntimeError("The numbers of a batch were asked for twice.")
        return numbers


@dataclass(frozen=True)
class _Made:
    """Planes of a tile, by product or, where neighbours must be blended, activated.

    ``valid`` is that of the tile's outer window.
    """

    tile: Tile
    valid: Mask
    planes: dict[str, Tensor] | Tensor


def run(job: Job) -> None:
    """Predict the scene and hand every finished block to the products' sinks.

    Pixels for which nothing was predicted (nodata, outside the area of interest) are handed over as nodata or, where
    a whole tile is so, not at all.
    """
    _check_process()
    stitcher = Stitcher(job.plan.tiling, job.plan.margin)
    passed = _Passed(job, stitcher)
    with (
        torch.inference_mode(),
        BoundedWriter(_WRITE_BEHIND) as writer,
        closing(_results(job, stitcher)) as results,
    ):
        for found in results:
            if isinstance(found, Tile):
                writer.submit(partial(passed, found))
                continue
            for made in found:
                writer.submit(partial(_finish, job, stitcher, made, passed))


_computing: list[int] = []  # the process that has computed; a fork inherits the number


def _check_process() -> None:
    """Refuse to compute in a fork of a process that has computed: torch's threads would wait for ever."""
    if not _computing:
        _computing.append(os.getpid())
    if _computing[0] != os.getpid() and os.name == "posix":
        raise DeviceError(
            "This process was forked from one that had predicted before, where torch would wait for ever; start "
            "processes by multiprocessing.get_context('spawn'), or predict in the new ones alone."
        )


def _results(job: Job, stitcher: Stitcher) -> Generator[list[_Made] | Tile, None, None]:
    """Compute every batch, in order; yields the bare tile where no pixel needs the network."""
    upload = _Upload(job)
    if job.plan.at_once > 1:
        with Prefetched(_batches(job, stitcher, list), _READ_AHEAD) as inputs:
            yield from _at_once(job, stitcher, upload, inputs)
        return
    # Treated and uploaded in the reader's thread, so that this overlaps the network.
    with Prefetched(_batches(job, stitcher, upload), _READ_AHEAD) as batches:
        compute = _Computation(job, stitcher, job.network())
        for item in batches:
            yield item if isinstance(item, Tile) else compute(item)


def _batches(
    job: Job, stitcher: Stitcher, made: Callable[[list[TileInput]], T]
) -> Generator[T | Tile, None, None]:
    """Read tiles in batches and convert each batch; runs in the reader's thread."""
    whole = slice(0, job.scene.shape[1])
    aoi_mask = None if job.aoi_mask is None else (lambda rows: job.aoi_mask(rows, whole))  # type: ignore[misc]
    waiting: list[TileInput] = []
    tiles = read_tiles(
        job.scene,
        job.plan.tiling,
        stitcher.reach,
        aoi_mask,
        job.predicted,
        panels=job.plan.panels,
    )
    for item in tiles:
        if isinstance(item, Tile):
            yield item
            continue
        waiting.append(item)
        if len(waiting) == job.plan.batch:
            yield made(waiting)
            waiting = []
    if waiting:
        yield made(waiting)


def _at_once(
    job: Job, stitcher: Stitcher, upload: _Upload, inputs: Iterable[list[TileInput] | Tile]
) -> Generator[list[_Made] | Tile, None, None]:
    """The results of several threads, each of which treats and computes batches of its own."""
    n = job.plan.at_once
    network = job.network()
    # Of each thread its own, but for the weights: some networks hook their layers while they run.
    weights = {id(weight): weight for weight in network.parameters()}
    free: SimpleQueue[_Computation] = SimpleQueue()
    for _ in range(n):
        free.put(_Computation(job, stitcher, copy.deepcopy(network, dict(weights))))

    def compute(item: list[TileInput] | Tile) -> list[_Made] | Tile:
        if isinstance(item, Tile):
            return item
        computation = free.get()
        try:
            with torch.inference_mode():
                return computation(upload(item))
        finally:
            free.put(computation)

    threads = torch.get_num_threads()
    begin = partial(torch.set_num_threads, max(threads // n, 1))
    try:
        with closing(in_order(compute, inputs, threads=n, begin=begin)) as results:
            yield from results
    finally:
        # Each thread has its own number, but torch gives the last one set to new threads.
        torch.set_num_threads(threads)


class _Upload:
    """Converts batches and copies them to the device; to a GPU from pinned memory on a stream of its own."""

    def __init__(self, job: Job) -> None:
        self._convert = job.convert
        self._device = job.device
        self._batch = job.plan.batch
        self._stream = (
            torch.cuda.Stream(job.device.torch_device)  # type: ignore[no-untyped-call]
            if job.device.is_cuda
            else None
        )

    def __call__(self, inputs: list[TileInput]) -> _Batch:
        if self._convert is not None:
            inputs = [self._convert(item) for item in inputs]
        tiles = [(item.tile, item.valid) for item in inputs]
        numbers = [torch.from_numpy(item.numbers) for item in inputs]
        valid = [torch.from_numpy(item.valid) for item in inputs]
        # Every batch has one size, so that the same kernels run for the last tiles too.
        missing = self._batch - len(inputs)
        numbers += [torch.zeros_like(numbers[0])] * missing
        valid += [torch.zeros_like(valid[0])] * missing
        if self._stream is None:
            stack = torch.stack if self._batch > 1 else (lambda tensors: tensors[0][None])
            return _Batch(tiles, stack(numbers), stack(valid)[:, None])
        with torch.cuda.stream(self._stream):
            where = self._device.torch_device
            moved = [
                torch.stack(t).pin_memory().to(where, non_blocking=True) for t in (numbers, valid)
            ]
        self._stream.synchronize()
        for tensor in moved:
            # The network reads them on the default stream; until it has, their memory is not free.
            tensor.record_stream(torch.cuda.default_stream(where))
        return _Batch(tiles, moved[0], moved[1][:, None])


class _Normalised:
    """The network with its input normalisation, on the device."""

    def __init__(self, job: Job, network: nn.Module) -> None:
        where = job.device.torch_device
        self._device = job.device
        self._network = network
        self._predict = job.predict
        self._fill = job.fill
        self._gain = torch.tensor(job.gain, dtype=torch.float32, device=where)[:, None, None]
        self._bias = torch.tensor(job.bias, dtype=torch.float32, device=where)[:, None, None]

    def __call__(self, batch: _Batch) -> Tensor:
        x = self._normal(batch.take_numbers(), batch.valid)
        with self._device.arithmetic():
            return self._predict(self._network, x, batch.place)

    def _normal(self, numbers: Tensor, valid: Tensor) -> Tensor:
        """Normalised (N, bands, rows, cols), the bands of a pixel beside each other.

        Without a measurement a pixel is the job's fill, whatever number stands in the file.
        """
        x = torch.empty(numbers.shape, device=numbers.device, memory_format=torch.channels_last)
        if self._device.is_cuda or numbers.is_contiguous(memory_format=torch.channels_last):
            return (
                x.copy_(numbers).mul_(self._gain).add_(self._bias).masked_fill_(~valid, self._fill)
            )
        # Some rows at a time, which stay in the processor's cache; of hundreds of bands that saves half.
        n_bands, n_cols = numbers.shape[1], numbers.shape[3]
        step = max(_CACHED // (4 * n_bands * n_cols), 1)
        gain, bias = self._gain[:, :, 0], self._bias[:, :, 0]
        for image, of_image, pixels in zip(numbers, valid, x.permute(0, 2, 3, 1), strict=True):
            for first in range(0, numbers.shape[2], step):
                rows = slice(first, first + step)
                part = image[:, rows].reshape(n_bands, -1).float()
                part = part.mul_(gain).add_(bias)
                if not of_image[:, rows].all():
                    part.masked_fill_(~of_image[:, rows].reshape(1, -1), self._fill)
                pixels[rows].view(-1, n_bands).copy_(part.T)
        return x


class _Computation:
    """All that is computed on the device; for one thread at a time."""

    def __init__(self, job: Job, stitcher: Stitcher, network: nn.Module) -> None:
        self._job = job
        self._stitcher = stitcher
        self._network = _Normalised(job, network)

    def __call__(self, batch: _Batch) -> list[_Made]:
        outputs = self._network(batch)
        return [
            _Made(tile, valid, _made_on_device(self._job, self._stitcher, tile, output))
            for (tile, valid), output in zip(batch.tiles, outputs, strict=False)
        ]


def _made_on_device(
    job: Job, stitcher: Stitcher, tile: Tile, output: Tensor
) -> dict[str, Tensor] | Tensor:
    """The tile's part of every product, or its activated planes where neighbours must be blended."""
    rows, cols = stitcher.reach(tile)
    output = output[:, _within(rows, tile.outer_rows), _within(cols, tile.outer_cols)]
    if job.plan.margin > 0:
        return job.activate(output).contiguous()
    if not all(product.from_logits for product in job.products.values()):
        output = job.activate(output)
    return {name: product.render(output) for name, product in job.products.items()}


def _finish(job: Job, stitcher: Stitcher, found: _Made, passed: _Passed) -> None:
    """Stitch, mask and hand over; runs in the writer's thread, where waiting for a GPU hurts none."""
    tile, valid, made = found.tile, found.valid, found.planes
    rows, cols = stitcher.final(tile)
    if isinstance(made, Tensor):
        blended = torch.from_numpy(stitcher.add(tile, made.cpu().numpy()))
        if tile.row not in job.asked:
            return
        made = {name: product.render(blended) for name, product in job.products.items()}
    valid = valid[_within(rows, tile.outer_rows), _within(cols, tile.outer_cols)]
    if job.aoi_mask is not None:
        valid = valid & job.aoi_mask(rows, cols)
    for name, product in job.products.items():
        block = made[name].cpu().numpy()
        block[:, ~valid] = product.nodata
        product.sink(rows, cols, block)
    passed(tile)


class _Passed:
    """Counts tiles that are done, with or without a valid pixel; called in the writer's thread."""

    def __init__(self, job: Job, stitcher: Stitcher) -> None:
        self._job = job
        self._stitcher = stitcher
        self._left = dict.fromkeys(job.asked, job.plan.tiling.grid[1])
        self._first = job.asked.start  # of the strips that are not done

    def __call__(self, tile: Tile) -> None:
        if tile.row not in self._left:
            return
        self._job.progress(_area(self._stitcher.final(tile)))
        self._left[tile.row] -= 1
        # Tiles of a waiting batch are overtaken by those that need no network, even by whole strips.
        while self._left.get(self._first) == 0:
            self._job.strip_done(self._first)
            self._first += 1


def _within(span: slice, outer: slice) -> slice:
    return slice(span.start - outer.start, span.stop - outer.start)


def _area(window: tuple[slice, slice]) -> int:
    rows, cols = window
    area: int = (rows.stop - rows.start) * (cols.stop - cols.start)
    return area
