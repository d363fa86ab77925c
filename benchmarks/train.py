"""Speed and memory of ``geodl train``, as ratios taken in one run.

    python benchmarks/train.py speed     patches from disk against the same from memory
    python benchmarks/train.py speed --network default
    python benchmarks/train.py memory    scenes of 1024, 4096 and 10980 pixels a side

``speed`` trains a U-Net ResNet-18, or the small default, with the same loop twice: on patches that
the loader reads and varies on the same processor, and on batches that are in memory already.
The ratio is the share of the network's own throughput that the loader sustains. ``memory`` runs
the command and takes the peaks of its process and of its largest worker.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from segment import BANDS, make_scene

CLASSES = 8
NETWORKS = {
    "default": {},
    # That of the other benchmarks, with patches that suit its five halvings.
    "resnet18": {
        "model.encoder": "resnet18",
        "model.options": {},
        "patches.size": 128,
        "training.batch": 8,
    },
}


def make_labels(path: Path, scene: Path) -> None:
    """Classes of every pixel of a scene, in squares of 64."""
    with rasterio.open(scene) as source:
        profile = source.profile | {"count": 1, "dtype": "uint8", "nodata": 255, "predictor": 1}
        rows, cols = source.shape
    rng = np.random.default_rng(1)
    with rasterio.open(path, "w", **profile) as dataset:
        for top in range(0, rows, 512):
            height = min(512, rows - top)
            block = rng.integers(1, CLASSES + 1, (8, cols // 64 + 1)).repeat(64, 0).repeat(64, 1)
            dataset.write(
                block[:height, :cols].astype("uint8"), 1, window=((top, top + height), (0, cols))
            )


def make_data(folder: Path, side: int) -> tuple[Path, Path]:
    """A scene of ``side`` x ``side`` pixels with labels."""
    scene, labels = folder / f"scene{side}.tif", folder / f"labels{side}.tif"
    make_scene(scene, side, side)
    make_labels(labels, scene)
    return scene, labels


def speed(network: str, side: int, steps: int, rounds: int, device: str) -> None:
    """Print patches per second from disk and from memory, and their ratio."""
    from georaster_dl.models.runtime.device import Device
    from georaster_dl.training.data.cache import CacheFolder
    from georaster_dl.training.data.datamodule import PatchDataModule
    from georaster_dl.training.data.sources import SceneWithLabels
    from georaster_dl.training.data.training_data import load_training_data
    from georaster_dl.training.loop.learner import Learner
    from georaster_dl.training.loop.network import build_network
    from georaster_dl.training.loop.objective import make_objective
    from georaster_dl.training.settings.config import TrainConfig

    with tempfile.TemporaryDirectory() as folder:
        scene, labels = make_data(Path(folder), side)
        config = TrainConfig().updated({**NETWORKS[network], "training.device": device})
        config = config.updated({"patches.per_epoch": config.training.batch * steps})
        chosen = Device.choose(device)
        store = CacheFolder(Path(folder) / "model.safetensors").__enter__()
        data = load_training_data([SceneWithLabels(str(scene), labels)], config, store, print)
        learner = Learner(build_network(data)[0], make_objective(data), data.config)
        learner.network.to(chosen.torch_device).train()
        loader = PatchDataModule(data, chosen).train_dataloader()
        batches = [(image.clone(), target.clone()) for image, target in loader]
        run_steps(learner, iter(batches), chosen)  # warm
        pairs = []
        for number in range(rounds):
            loader.sampler.set_epoch(number + 1)
            pairs.append(
                (
                    run_steps(learner, iter(batches), chosen),
                    run_steps(learner, iter(loader), chosen),
                )
            )
    batch = config.training.batch
    for memory, disk in pairs:
        print(f"memory {steps * batch / memory:.1f} patches/s, disk {steps * batch / disk:.1f}")
    ratio = statistics.median(memory / disk for memory, disk in pairs)
    print(
        f"loader sustains {ratio:.2f} of the network's own throughput ({chosen.name}, {data.patch} px)"
    )


def run_steps(learner, batches: Iterator, device) -> float:  # type: ignore[no-untyped-def]
    """Seconds of training on the batches, the first left out: workers start with it."""
    import torch

    optimiser = torch.optim.AdamW(learner.network.parameters(), lr=1e-4)
    begun = 0.0
    for number, (image, target) in enumerate(batches):
        if number == 1:
            begun = time.perf_counter()
        with device.arithmetic():
            loss = learner.loss_of(image.to(device.torch_device), target.to(device.torch_device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    if device.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def memory(sides: list[int]) -> None:
    """Print the peaks of training on scenes of growing size."""
    with tempfile.TemporaryDirectory() as folder:
        for side in sides:
            scene, labels = make_data(Path(folder), side)
            config = Path(folder) / "train.toml"
            config.write_text("[patches]\nper_epoch = 160\n[training]\nepochs = 1\n")
            command = [
                sys.executable, "-c", "from geodl_cli.main import main; main()", "train", str(scene),
                str(labels), "-o", f"{folder}/model{side}.safetensors", "--config", str(config), "--quiet",
            ]  # fmt: skip
            begun = time.perf_counter()
            main, worker = peaks(subprocess.Popen(command))
            seconds = time.perf_counter() - begun
            print(
                f"{side} x {side} x {len(BANDS)}: {main / 2**20:.2f} GiB, largest worker "
                f"{worker / 2**20:.2f} GiB, {seconds:.0f} s",
                flush=True,
            )
            scene.unlink()
            labels.unlink()


def peaks(process: subprocess.Popen) -> tuple[int, int]:
    """Largest resident KiB of a process and of any of its children."""
    import psutil

    main = worker = 0
    while process.poll() is None:
        main = max(main, high_water(process.pid))
        try:
            children = psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            children = []
        worker = max([worker, *(high_water(child.pid) for child in children)])
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"training failed with {process.returncode}")
    return main, worker


def high_water(pid: int) -> int:
    """KiB that a process has had resident at most, 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def main() -> None:
    """Run one benchmark."""
    parser = argparse.ArgumentParser(description="Speed and memory of training.")
    parser.add_argument("what", choices=["speed", "memory"])
    parser.add_argument("--network", choices=NETWORKS, default="resnet18")
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", type=int, nargs="+", default=[1024, 4096, 10980])
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    print(f"{os.cpu_count()} CPUs")
    if options.what == "speed":
        speed(options.network, options.side, options.steps, options.rounds, options.device)
    else:
        memory(options.sides)


if __name__ == "__main__":
    main()
