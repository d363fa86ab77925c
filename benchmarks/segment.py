"""Speed and memory of ``geodl segment``, as ratios taken in one run.

    python benchmarks/segment.py speed             4096 x 4096 x 10, U-Net ResNet-18, 8 classes
    python benchmarks/segment.py memory            5490, 10980 and 21960 rows x 10980 x 10, 10 classes
    python benchmarks/segment.py speed --device cuda
    python benchmarks/segment.py models --models NEW.safetensors OLD.safetensors    two models of its bands
    python benchmarks/segment.py growth            time and memory over sides, bands and classes
    python benchmarks/segment.py rewriting         the rewritten network over the plain one, by network
    python benchmarks/segment.py agreement SCENE ...    classes by the rewritten network and by the plain one
    python benchmarks/segment.py start SCENE       seconds of the command, torch's import alone beside it

Every measurement runs in a process of its own, so that peaks and caches do not mix. The network
has random weights: its arithmetic is that of any other. Times are of the work itself, file to
file, after the libraries are loaded and the network has run once; what loading takes is printed
apart. ``pip install monai torchgeo geoai-py`` adds the comparison with each of them that is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rivals import RIVALS

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
TILE = 1024


def make_scene(path: Path, rows: int, cols: int, bands: Sequence[str] = BANDS) -> None:
    """Sentinel-2-like uint16 scene, deflate, tiled: fields of one level with noise."""
    import rasterio
    from rasterio.transform import from_origin

    rng = np.random.default_rng(0)
    profile = {
        "driver": "GTiff", "height": rows, "width": cols, "count": len(bands), "dtype": "uint16",
        "crs": "EPSG:32631", "transform": from_origin(5e5, 5e6, 10, 10), "nodata": 0,
        "tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "band",
        "compress": "deflate", "predictor": 2, "BIGTIFF": "IF_SAFER", "NUM_THREADS": "ALL_CPUS",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.descriptions = bands
        dataset.scales, dataset.offsets = [1e-4] * len(bands), [-0.1] * len(bands)
        for top in range(0, rows, 512):
            height = min(512, rows - top)
            for band in range(len(bands)):
                fields = rng.integers(1200, 4000, (9, cols // 64 + 1)).repeat(64, 0).repeat(64, 1)
                noise = rng.normal(0, 30, (height, cols))
                block = (fields[:height, :cols] + noise).clip(1, 65535).astype("uint16")
                dataset.write(block, band + 1, window=((top, top + height), (0, cols)))


def make_model(path: Path, n_classes: int, bands: Sequence[str] = BANDS) -> None:
    """U-Net ResNet-18 with random weights, as a package."""
    import torch

    from georaster_dl.core.bands import named_bands
    from georaster_dl.core.legend import MapClass
    from georaster_dl.models.package.card import Architecture, Card, ModelHalo
    from georaster_dl.models.package.file import save_model
    from georaster_dl.models.package.values import InputBand
    from georaster_dl.models.registry import create_model
    from georaster_dl.models.runtime.cost import measure_cost

    torch.manual_seed(0)
    network = create_model("unet", in_bands=len(bands), n_classes=n_classes, encoder="resnet18")
    card = Card(
        name="benchmark",
        version="1",
        architecture=Architecture(name="unet", encoder="resnet18"),
        bands=[
            InputBand(name=b.name, wavelength_nm=b.wavelength_nm, mean=0.2, std=0.1)
            for b in named_bands(bands)
        ],
        classes=[MapClass(i + 1, f"class {i + 1}", (i * 4, 128, 128)) for i in range(n_classes)],
        stride=32,
        halo=ModelHalo(default=64, exact=320),
        cost=measure_cost(network, in_bands=len(bands), stride=32),
    )
    save_model(path, card, network)


def part_read(scene: str, **_: object) -> dict[str, float]:
    """Read the file once, block row by block row."""
    from georaster_dl.io.environment import gdal_environment
    from georaster_dl.io.scenes.reader import open_scene
    from georaster_dl.io.scenes.scene import SceneReader

    opened = open_scene(scene)
    rows, cols = opened.shape
    begun = time.perf_counter()
    with gdal_environment(), SceneReader(opened) as reader:
        for top in range(0, rows, 512):
            reader.read(slice(top, min(top + 512, rows)), slice(0, cols))
    return {"seconds": time.perf_counter() - begun}


def part_forward(
    scene: str, model: str, device: str, precision: str, **_: object
) -> dict[str, float]:
    """Run the bare network over as many pixels as the scene has: no file, no halo, no folding."""
    import torch

    from georaster_dl.io.scenes.reader import open_scene
    from georaster_dl.models.package.file import load_model
    from georaster_dl.models.runtime.device import Device

    where = Device.choose(device, precision)
    _card, network = load_model(Path(model))
    network = network.to(where.torch_device).to(memory_format=torch.channels_last)
    x = torch.randn(1, len(BANDS), TILE, TILE, device=where.torch_device)
    x = x.to(memory_format=torch.channels_last)
    rows, cols = open_scene(scene).shape
    n = round(rows * cols / TILE**2)
    with torch.inference_mode(), where.arithmetic():
        network(x)
        synchronise(where.is_cuda)
        begun = time.perf_counter()
        for _i in range(n):
            network(x)
        synchronise(where.is_cuda)
    return {"seconds": time.perf_counter() - begun}


def synchronise(is_cuda: bool) -> None:
    """Wait for a GPU's queue."""
    if is_cuda:
        import torch

        torch.cuda.synchronize()


def part_segment(
    scene: str, model: str, device: str, precision: str, halo: str, warm: str, **_: object
) -> dict[str, float]:
    """``segment`` file to file."""
    begun = time.perf_counter()
    from georaster_dl.core.events import Event, InferenceStarted
    from georaster_dl.core.process import tune_allocators
    from georaster_dl.predict.options import Outputs, SegmentOptions
    from georaster_dl.predict.segment import segment

    tune_allocators()  # as the command does
    pixels = halo if halo == "auto" else int(halo)
    options = SegmentOptions(device=device, precision=precision, halo=pixels, overwrite=True)
    with tempfile.TemporaryDirectory() as folder:
        if warm:
            segment(warm, Path(model), Outputs(Path(folder) / "warm.tif"), options)
        loaded = time.perf_counter()
        facts: dict[str, object] = {}

        def note(event: Event) -> None:
            if isinstance(event, InferenceStarted):
                facts.update(tiles=event.tiles, tile=list(event.tile))

        busy = time.process_time()
        summary = segment(scene, Path(model), Outputs(Path(folder) / "map.tif"), options, note)
        busy = time.process_time() - busy
    return {
        "seconds": summary.seconds,
        "processor": busy,
        "loading": loaded - begun,
        "tiles": facts["tiles"],
        "tile": facts["tile"],
        "device": summary.device,
    }  # type: ignore[dict-item]


PARTS = {"read": part_read, "forward": part_forward, "segment": part_segment, **RIVALS}


def measure(part: str, *, script: str = __file__, **settings: object) -> dict[str, float]:
    """Run one part of a script in a process of its own and add its peak memory."""
    command = [sys.executable, script, "part", json.dumps({"part": part, **settings})]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{part} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def run_part(text: str, parts: dict) -> None:
    settings = json.loads(text)
    result = parts[settings.pop("part")](**settings)
    print(json.dumps({**result, "peak_gib": peak_gib()}))


def peak_gib() -> float:
    """Peak of this process's own memory; ru_maxrss would carry the parent's over."""
    status = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**20


def machine() -> str:
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "unknown processor",
    )  # fmt: skip
    return f"{cpu}, {len(os.sched_getaffinity(0))} cores"


def speed(folder: Path, args: argparse.Namespace) -> None:
    scene, warm, model = folder / "scene.tif", folder / "warm.tif", folder / "model.safetensors"
    make_scene(scene, args.rows or 4096, 4096)
    make_scene(warm, 256, 256)
    make_model(model, 8)
    common = {
        "scene": str(scene),
        "model": str(model),
        "device": args.device,
        "precision": args.precision,
    }
    parts = [("read", {}), ("forward", {}), ("segment", {"halo": "64"}), ("segment", {"halo": "0"})]
    parts += [(rival, {}) for rival in RIVALS if importlib.util.find_spec(rival)]
    rounds: list[dict[str, dict[str, float]]] = []
    for number in range(args.rounds):
        found = {}
        for part, extra in parts:
            name = part + extra.get("halo", "")
            found[name] = measure(part, **common, **extra, warm=str(warm))
            print(f"round {number + 1}: {name:10s} {json.dumps(found[name])}", flush=True)
        rounds.append(found)

    def median(ratio):
        return float(np.median([ratio(found) for found in rounds]))

    def seconds(found, *names):
        return sum(found[name]["seconds"] for name in names)

    print(f"\n{machine()}; {rounds[0]['segment64']['device']}; median of {args.rounds} rounds")
    for halo in ("64", "0"):
        ratio = median(lambda f, h=halo: seconds(f, f"segment{h}") / seconds(f, "forward", "read"))
        print(f"wall over (bare forward + one read), halo {halo}: {ratio:.3f}")
    for rival in RIVALS:
        if rival in rounds[0]:
            ratio = median(lambda f, r=rival: seconds(f, r) / seconds(f, "segment64"))
            peak = median(lambda f, r=rival: f[r]["peak_gib"])
            print(f"{rival} over geodl at halo 64: {ratio:.2f}; peak {peak:.2f} GiB")
    print(f"peak at halo 64: {median(lambda f: f['segment64']['peak_gib']):.2f} GiB")


def memory(folder: Path, args: argparse.Namespace) -> None:
    model = folder / "model.safetensors"
    make_model(model, 10)
    peaks = {}
    for rows in (5490, 10980, 21960):
        scene = folder / "scene.tif"
        make_scene(scene, rows, 10980)
        found = measure(
            "segment", scene=str(scene), model=str(model), device=args.device,
            precision=args.precision, halo="64", warm="",
        )  # fmt: skip
        peaks[rows] = found["peak_gib"]
        print(f"{rows} x 10980 x 10, 10 classes: {json.dumps(found)}", flush=True)
    print(f"\n{machine()}")
    print(f"peak at 10980 rows: {peaks[10980]:.2f} GiB")
    print(f"growth from 5490 to 21960 rows: {100 * (peaks[21960] / peaks[5490] - 1):.1f} %")


def models(folder: Path, args: argparse.Namespace) -> None:
    """Time and memory of the first model over those of the second, with their own halos."""
    scene, warm = folder / "scene.tif", folder / "warm.tif"
    make_scene(scene, args.rows or 4096, 4096)
    make_scene(warm, 256, 256)
    found: dict[str, list[dict[str, float]]] = {model: [] for model in args.models}
    for number in range(args.rounds):
        for model in args.models:
            result = measure(
                "segment", scene=str(scene), model=str(Path(model).resolve()), device=args.device,
                precision=args.precision, halo="auto", warm=str(warm),
            )  # fmt: skip
            found[model].append(result)
            print(f"round {number + 1}: {model} {json.dumps(result)}", flush=True)
    new, old = found.values()
    print(f"\n{machine()}; {new[0]['device']}; median of {args.rounds} rounds")
    for key in ("seconds", "peak_gib"):
        ratio = np.median([a[key] / b[key] for a, b in zip(new, old, strict=True)])
        print(f"{key}, first over second: {ratio:.3f}")


def growth(folder: Path, args: argparse.Namespace) -> None:
    """Time and memory over the side of a scene, its bands and its classes, each with the others fixed."""
    warm = folder / "warm.tif"
    cases = [(side, 10, 8) for side in (1024, 2048, 4096, 8192)]
    cases += [(2048, bands, 8) for bands in (4, 50, 200)] + [(2048, 10, n) for n in (2, 64)]
    print(
        f"{machine()}\n\n| side | bands | classes | seconds | processor seconds | the same a Mpx | peak GiB |"
    )
    print("|---|---|---|---|---|---|---|")
    by_side = {}
    for side, n_bands, n_classes in cases:
        bands = BANDS if n_bands == len(BANDS) else [f"band {i + 1}" for i in range(n_bands)]
        scene, model = folder / "scene.tif", folder / "model.safetensors"
        make_scene(scene, side, side, bands)
        make_scene(warm, 256, 256, bands)
        make_model(model, n_classes, bands)
        found = [
            measure("segment", scene=str(scene), model=str(model), device=args.device,
                    precision=args.precision, halo="64", warm=str(warm))
            for _ in range(args.rounds)
        ]  # fmt: skip
        seconds, busy = (
            float(np.median([each[key] for each in found])) for key in ("seconds", "processor")
        )
        peak = max(each["peak_gib"] for each in found)
        if (n_bands, n_classes) == (10, 8):
            by_side[side] = busy
        a_mpx = busy / (side * side / 1e6)
        print(
            f"| {side} | {n_bands} | {n_classes} | {seconds:.1f} | {busy:.1f} | {a_mpx:.2f} | {peak:.2f} |",
            flush=True,
        )
    sides = np.log(list(by_side)), np.log(list(by_side.values()))
    print(f"\nexponent of processor seconds over pixels: {np.polyfit(*sides, 1)[0] / 2:.3f}")


REWRITTEN = (
    ("unet", {"encoder": "resnet18"}), ("unet", {"encoder": "efficientnet-b0"}),
    ("unetplusplus", {"encoder": "resnet18"}), ("fpn", {"encoder": "resnet18"}),
    ("spectral_unet", {}), ("conv_autoencoder", {}),
)  # fmt: skip


def rewriting(_folder: Path, args: argparse.Namespace) -> None:
    """Time of the plain network over that of the rewritten one, on 1024 x 1024 x 10, and how far they differ."""
    import torch

    from georaster_dl.models.contract import network_stride
    from georaster_dl.models.package.file import find_model, read_card
    from georaster_dl.models.registry import create_model
    from georaster_dl.models.runtime.optional_bands import load_narrowed

    print(f"{machine()}\n\n| network | fp32 | | bf16 | |\n|---|---|---|---|---|")
    for name, options in REWRITTEN:
        torch.manual_seed(0)
        network = create_model(name, in_bands=10, n_classes=8, **options)
        cells = pairs(network, 10, network_stride(network), args.rounds)
        print(f"| {' '.join([name, *options.values()])} | {cells} |", flush=True)
    for name in ("s2-landcover", "landcover-sample"):
        path = find_model(name)
        card, network = load_narrowed(path, [band.name for band in read_card(path).bands])
        print(
            f"| {name} | {pairs(network, len(card.bands), card.stride, args.rounds)} |", flush=True
        )


def pairs(network, n_bands: int, stride: int, rounds: int) -> str:
    """Cells of a table: times as fast, and the relative difference, in fp32 and bf16."""
    import torch

    from georaster_dl.predict.engine.optimise import optimise_network
    from georaster_dl.predict.engine.rewrite.network import Rewritten

    rewritten = Rewritten(optimise_network(network, n_bands, stride, torch.device("cpu")), stride)
    x = torch.randn(1, n_bands, TILE, TILE).contiguous(memory_format=torch.channels_last)
    cells = []
    for precision in (torch.float32, torch.bfloat16):
        in_bf16 = precision == torch.bfloat16
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=in_bf16):
            expected, found = rewritten.network(x).double(), rewritten(x).double()
            if rewritten.program(precision) is None:
                cells += ["as it is", ""]
                continue
            ratios = []
            for _ in range(rounds):
                times = [time.perf_counter()]
                for each in (rewritten.network, rewritten):
                    each(x)
                    times.append(time.perf_counter())
                ratios.append((times[1] - times[0]) / (times[2] - times[1]))
        wrong = (found - expected).square().mean().sqrt() / expected.square().mean().sqrt()
        cells += [f"{np.median(ratios):.2f} x", f"{float(wrong):.0e}"]
    return " | ".join(cells)


def agreement(_folder: Path, args: argparse.Namespace) -> None:
    """Share of pixels whose class differs from that of the plain network in fp32, for bundled models."""
    print(f"{machine()}\n\n| model | scene | fp32, rewritten | bf16, plain | bf16, rewritten |")
    print("|---|---|---|---|---|")
    for model in ("s2-landcover", "landcover-sample"):
        for scene in args.scenes:
            expected = classes(model, scene, "fp32", plain=True)
            shares = [
                100 * float((classes(model, scene, *how) != expected)[expected > 0].mean())
                for how in (("fp32", False), ("bf16", True), ("bf16", False))
            ]
            cells = " | ".join(f"{share:.4f} %" for share in shares)
            print(f"| {model} | {Path(scene).name} | {cells} |", flush=True)


def classes(model: str, scene: str, precision: str, plain: bool) -> np.ndarray:
    """Classes of a scene (rows, cols) by a bundled model."""
    import rasterio

    from georaster_dl.models.package.file import find_model
    from georaster_dl.predict.engine.rewrite.network import Rewritten
    from georaster_dl.predict.options import Outputs, SegmentOptions
    from georaster_dl.predict.segment import segment

    rewritten = Rewritten.forward
    if plain:
        Rewritten.forward = lambda self, image: self.network(image)  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "map.tif"
            segment(scene, find_model(model), Outputs(path), SegmentOptions(precision=precision))
            with rasterio.open(path) as dataset:
                return dataset.read(1)
    finally:
        Rewritten.forward = rewritten  # type: ignore[method-assign]


def start(folder: Path, args: argparse.Namespace) -> None:
    """Seconds of ``geodl segment`` on a small scene, and of importing torch alone, in turn.

    Before a cold one, the kernel is told to forget the files of the Python environment.
    """
    geodl = str(Path(sys.executable).with_name("geodl"))
    commands = {
        "import torch": [sys.executable, "-c", "import torch"],
        "geodl segment": [geodl, "segment", args.scenes[0], "-o", str(folder / "map.tif"), "--overwrite"],
    }  # fmt: skip
    found: dict[str, list[float]] = {}
    for cold in (True, False):
        for number in range(args.rounds + 1):
            for name, command in commands.items():
                if cold:
                    forget_files(Path(np.__file__).parents[1])
                begun = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                if number:  # the first one compiles what has no byte code yet
                    key = f"{name}, {'cold' if cold else 'warm'}"
                    found.setdefault(key, []).append(time.perf_counter() - begun)
    print(machine())
    for name, seconds in found.items():
        print(f"{name}: {np.median(seconds):.2f} s, the least {min(seconds):.2f}")


def forget_files(folder: Path) -> None:
    """Drop the files of a folder from the kernel's cache, those that no process holds."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "part":
        return run_part(sys.argv[2], PARTS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", choices=["speed", "memory", "models", "growth", "rewriting", "agreement", "start"]
    )
    parser.add_argument("scenes", nargs="*", help="scenes of agreement, the scene of start")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rows", type=int, help="rows of the speed scene, 4096 by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs=2, help="files to compare, for models")
    args = parser.parse_args()
    if (args.what == "models") != (args.models is not None):
        parser.error("models takes two files with --models, speed and memory none")
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "speed": speed,
            "memory": memory,
            "models": models,
            "growth": growth,
            "rewriting": rewriting,
            "agreement": agreement,
            "start": start,
        }
        commands[args.what](Path(folder), args)
    return None


if __name__ == "__main__":
    main()
