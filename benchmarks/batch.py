"""Many scenes, and one large one, on several processes, as ratios to one process.

    python benchmarks/batch.py scenes          40 scenes of 1024 x 1024 x 4, bundled s2-landcover
    python benchmarks/batch.py large           20000 x 20000 x 4 on local:2: memory, assembly
    python benchmarks/batch.py large --rows 8000 --cols 8000 --plain

As in segment.py every measurement runs in a process of its own. Times of ``scenes`` are of the work,
after each process has mapped warm-up scenes; what comes before is printed apart. Run it without
OMP_NUM_THREADS, or all processes share one core.

``large`` samples the resident memory of each worker five times a second. What the final task takes is
measured from the last strip in the journal to the outcome: strips read, blocks written, overviews,
COG, class counts. All but the first two a plain run does, too, after its last tile (``--plain``), and
what remains is the assembly.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from segment import machine, measure, run_part

BANDS = ("B02", "B03", "B04", "B08")
BLOCK = 512
WARM = 6  # scenes, so that each of two workers gets at least one


def make_scene(path: Path, rows: int, cols: int, seed: int = 0) -> None:
    """Sentinel-2-like uint16 scene of reflectances, deflate, tiled: fields of one level with noise."""
    import rasterio
    from rasterio.transform import from_origin

    rng = np.random.default_rng(seed)
    profile = {
        "driver": "GTiff", "height": rows, "width": cols, "count": len(BANDS), "dtype": "uint16",
        "crs": "EPSG:32631", "transform": from_origin(5e5, 5e6, 10, 10), "nodata": 0,
        "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "interleave": "band",
        "compress": "deflate", "predictor": 2, "BIGTIFF": "IF_SAFER", "NUM_THREADS": "ALL_CPUS",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.descriptions = BANDS
        dataset.scales, dataset.offsets = [1e-4] * len(BANDS), [0.0] * len(BANDS)
        for top in range(0, rows, BLOCK):
            height = min(BLOCK, rows - top)
            for band in range(len(BANDS)):
                fields = rng.integers(200, 4000, (9, cols // 64 + 1)).repeat(64, 0).repeat(64, 1)
                noise = rng.integers(-50, 50, (height, cols))
                block = (fields[:height, :cols] + noise).clip(1, 65535).astype("uint16")
                dataset.write(block, band + 1, window=((top, top + height), (0, cols)))


def job(scene: Path, folder: Path, model: str, journal: Path | None = None):
    """What a batch does with a scene."""
    from georaster_dl.batches.job import SceneJob
    from georaster_dl.models.package.file import find_model
    from georaster_dl.predict.options import Outputs, SegmentOptions

    options = SegmentOptions(device="cpu", overwrite=True, journal=journal)
    outputs = Outputs(folder / f"{scene.stem}.tif")
    return SceneJob(scene.stem, (str(scene),), find_model(model), outputs, options)


def checked(outcomes) -> None:
    for outcome in outcomes:
        if outcome.error:
            sys.exit(f"{outcome.name}: {outcome.error}")


def part_one_process(scenes: list[str], folder: str, model: str, keep: bool) -> dict[str, float]:
    """``segment``, scene after scene; a batch keeps the network in between."""
    begun = time.perf_counter()
    from georaster_dl.predict.engine.network_cache import keep_networks
    from georaster_dl.predict.segment import segment

    if keep:
        keep_networks()

    def run(one) -> None:
        segment(one.sources, one.model, one.outputs, one.options)

    jobs = [job(Path(scene), Path(folder), model) for scene in scenes]
    run(jobs[0])
    warm = time.perf_counter()
    for one in jobs:
        run(one)
    return {"seconds": time.perf_counter() - warm, "start": warm - begun}


def part_workers(scenes: list[str], folder: str, model: str, scheduler: str) -> dict[str, float]:
    """A batch's workers: one that is started here, or Dask's."""
    begun = time.perf_counter()
    from georaster_dl.batches.pools.local import LocalWorkers
    from georaster_dl.batches.pools.scheduler import scheduled_workers

    jobs = [job(Path(scene), Path(folder), model) for scene in scenes]

    def nothing(*_: object) -> None:
        pass

    with (
        scheduled_workers(scheduler, {}, nothing) if scheduler else LocalWorkers(1, nothing)
    ) as workers:
        hired = time.perf_counter()

        def run(some) -> None:
            for one in some:
                workers.submit(one)
            checked(workers.next() for _ in some)

        run(jobs[:WARM])
        warm = time.perf_counter()
        run(jobs)
        done = time.perf_counter()
    return {
        "seconds": done - warm,
        "hired": hired - begun,
        "start": warm - begun,
        "end": time.perf_counter() - done,
    }


class _Memory:
    """Highest resident memory of each worker process, in GiB; used as a context manager."""

    def __enter__(self) -> _Memory:
        self.peaks: dict[int, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        import psutil

        while not self._over.wait(0.2):
            for child in psutil.Process().children(recursive=True):
                try:
                    if "spawn_main" in " ".join(child.cmdline()):
                        held = child.memory_info().rss / 2**30
                        self.peaks[child.pid] = max(self.peaks.get(child.pid, 0.0), held)
                except psutil.Error:
                    continue


class _Strips:
    """When the last strip of a journal came; used as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> _Strips:
        self.count, self.last = 0, time.perf_counter()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            found = len(list(self._folder.glob("*.strip")))
            if found > self.count:
                self.count, self.last = found, time.perf_counter()


def part_large(scene: str, folder: str, model: str) -> dict[str, Any]:
    """One scene in parts on two workers."""
    from georaster_dl.batches.pools.scheduler import scheduled_workers

    journal = Path(folder) / "journal"
    one = job(Path(scene), Path(folder), model, journal)
    with ExitStack() as stack:
        memory = stack.enter_context(_Memory())
        workers = stack.enter_context(scheduled_workers("local:2", {}, lambda *_: None, large=0))
        strips = stack.enter_context(_Strips(journal))
        begun = time.perf_counter()
        workers.submit(one)
        checked([workers.next()])
        done = time.perf_counter()
    return {
        "seconds": done - begun,
        "final": done - strips.last,
        "strips": strips.count,
        "workers_gib": [round(peak, 2) for peak in memory.peaks.values()],
    }


def part_plain(scene: str, folder: str, model: str) -> dict[str, float]:
    """The same scene in one process; ``final`` is what comes after the last tile."""
    from georaster_dl.core.events import Event, Progressed
    from georaster_dl.predict.segment import segment

    told = [time.perf_counter()]

    def report(event: Event) -> None:
        if isinstance(event, Progressed):
            told.append(time.perf_counter())

    one = job(Path(scene), Path(folder), model)
    segment(one.sources, one.model, one.outputs, one.options, report)
    done = time.perf_counter()
    return {"seconds": done - told[0], "final": done - told[-1]}


PARTS = {
    "one_process": part_one_process,
    "workers": part_workers,
    "large": part_large,
    "plain": part_plain,
}


WAYS: dict[str, tuple[str, dict[str, object]]] = {
    "segment": ("one_process", {"keep": False}),
    "kept": ("one_process", {"keep": True}),
    "LocalWorkers(1)": ("workers", {"scheduler": ""}),
    "local:2": ("workers", {"scheduler": "local:2"}),
}


def same(one: Path, other: Path) -> bool:
    """Whether two rasters are the same in all but the time at which they were made."""
    import rasterio

    with rasterio.open(one) as a, rasterio.open(other) as b:
        tags = [dataset.tags() | {"TIFFTAG_DATETIME": ""} for dataset in (a, b)]
        return tags[0] == tags[1] and all(
            np.array_equal(a.read(window=window), b.read(window=window))
            for _, window in a.block_windows(1)
        )


def scenes(folder: Path, args: argparse.Namespace) -> None:
    paths = [folder / f"scene{i:02d}.tif" for i in range(args.scenes)]
    for i, path in enumerate(paths):
        make_scene(path, 1024, 1024, seed=i)
    ways = {name: WAYS[name] for name in ["segment", *args.ways]}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for number in range(args.rounds):
        for name, (part, more) in ways.items():
            made = folder / name
            made.mkdir(exist_ok=True)
            result = measure(
                part,
                script=__file__,
                scenes=list(map(str, paths)),
                folder=str(made),
                model=args.model,
                **more,
            )
            found[name].append(result)
            print(f"round {number + 1}: {name:16s} {json.dumps(result)}", flush=True)
    print(f"\n{machine()}; {args.scenes} scenes; median of {args.rounds} rounds")
    for name in ways:
        ratios = [
            a["seconds"] / b["seconds"] for a, b in zip(found[name], found["segment"], strict=True)
        ]
        start = np.median([result["start"] for result in found[name]])
        equal = sum(same(folder / "segment" / p.name, folder / name / p.name) for p in paths)
        print(
            f"{name:16s} time over segment's {np.median(ratios):.3f}; start {start:.1f} s; "
            f"{equal} of {len(paths)} maps the same"
        )


def large(folder: Path, args: argparse.Namespace) -> None:
    scene = folder / "scene.tif"
    make_scene(scene, args.rows, args.cols)
    made = {}
    for part in ["large", "plain"] if args.plain else ["large"]:
        (folder / part).mkdir()
        made[part] = measure(
            part, script=__file__, scene=str(scene), folder=str(folder / part), model=args.model
        )
        print(f"{part}: {json.dumps(made[part])}", flush=True)
    found = made["large"]
    print(f"\n{machine()}; {args.rows} x {args.cols} x {len(BANDS)}, {found['strips']} strips")
    print(f"highest resident memory of each worker: {found['workers_gib']} GiB")
    print(f"share of the final task: {100 * found['final'] / found['seconds']:.1f} %")
    if args.plain:
        assembly = found["final"] - made["plain"]["final"]
        print(f"share of the assembly: {100 * assembly / found['seconds']:.1f} %")
        print(f"time over one process: {found['seconds'] / made['plain']['seconds']:.2f}")
        print(f"the same: {same(folder / 'large' / scene.name, folder / 'plain' / scene.name)}")


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "part":
        return run_part(sys.argv[2], PARTS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["scenes", "large"])
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--cols", type=int, default=20_000)
    parser.add_argument("--model", default="s2-landcover")
    parser.add_argument("--plain", action="store_true", help="also in one process, to compare")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        {"scenes": scenes, "large": large}[args.what](Path(folder), args)
    return None


if __name__ == "__main__":
    main()
