"""A small model, small scenes, and the command run in this process."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from geodl_cli.main import _run
from rasterio.transform import from_origin

from georaster_dl.models.package.card import Architecture
from georaster_dl.models.package.file import save_model
from georaster_dl.models.registry import create_model
from tests.cards import card

EXACT = 48  # exact halo of the network, as the halo probe finds it
SHAPE = (150, 130)
BANDS = ("B02", "B03", "B04")
WARNINGS = "default,ignore::PendingDeprecationWarning"  # affine's, as in pyproject.toml


@dataclass(frozen=True)
class Ended:
    """How a run of the command ended."""

    code: int
    out: str
    err: str

    @property
    def events(self):
        """Standard output as the JSON objects that it must consist of."""
        return [json.loads(line) for line in self.out.splitlines()]


def make_model(path, *, bands=BANDS, n_classes=4, network=None, **fields):
    """Save a U-Net of random weights whose classes are all common in white noise."""
    options = {"encoder_depth": 3, "decoder_channels": [16, 8, 8]}
    made = network or random_unet(len(bands), n_classes, **options)
    described = card(bands=bands, n_classes=n_classes, exact=EXACT, **fields)
    architecture = Architecture(name="unet", encoder="tu-test_resnet", options=options)
    save_model(path, described.model_copy(update={"architecture": architecture}), made)
    return path


def random_unet(in_bands, n_classes, **options):
    """Network whose logits have mean 0 and deviation 2 over white noise."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = create_model(
            "unet",
            in_bands=in_bands,
            n_classes=n_classes,
            encoder="tu-test_resnet",
            encoder_weights=None,
            **options,
        )
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(std=0.2)
                module.running_var.uniform_(0.5, 2)
                module.weight.data.uniform_(0.5, 2)
                module.bias.data.normal_(std=0.5)
        network.eval()
        last = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)][-1]
        with torch.inference_mode():
            logits = network(torch.randn(1, in_bands, 128, 128))
        mean, std = logits.mean(dim=(0, 2, 3)), logits.std(dim=(0, 2, 3))
        last.weight.data *= (2 / std)[:, None, None, None]
        last.bias.data = (last.bias.data - mean) * 2 / std
    return network


def leftovers(folder):
    """Every file and folder below, hidden ones too, with the bytes of files."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(Path(folder).rglob("*"))
    }


def run_here(capfd, *arguments):
    """Run ``geodl`` in this process."""
    capfd.readouterr()
    code = _run([str(argument) for argument in arguments])
    captured = capfd.readouterr()
    return Ended(code, captured.out, captured.err)


def start(*arguments, cwd, threads=2, **options):
    """Start ``geodl`` as a process of its own, that heeds an interrupt.

    Where the tests themselves are a background job, it would have inherited that they do not.
    """
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            heed + "from geodl_cli.main import main; main()",
            *map(str, arguments),
        ],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONWARNINGS": WARNINGS},
        **options,
    )


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model") / "toy.safetensors")


@pytest.fixture
def geodl(tmp_path, monkeypatch, capfd):
    """Run ``geodl`` in this process, in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run_here(capfd, *arguments)


@pytest.fixture
def refused(geodl, tmp_path):
    """Run ``geodl`` and check that it ends as every error must; returns the line it said."""

    def run(*arguments, folder=tmp_path):
        before = leftovers(folder)
        ended = geodl(*arguments)
        assert ended.code == 1, ended
        assert ended.out == ""
        assert ended.err.startswith("geodl: "), ended.err
        assert ended.err.count("\n") == 1, ended.err
        assert ended.err.endswith("\n")
        assert "Traceback" not in ended.err
        assert "unexpected" not in ended.err
        assert leftovers(folder) == before
        return ended.err

    return run


def noise(shape=SHAPE, n_bands=3, seed=0):
    """Reflectances x 10000 as uint16, with a corner without data."""
    generator = np.random.default_rng(seed)
    array = (generator.normal(0.2, 0.1, (n_bands, *shape)) * 1e4).clip(1, 1e4).astype("uint16")
    array[:, : shape[0] // 4, : shape[1] // 3] = 0
    return array


def write_scene(path, array, *, bands=BANDS, scale=1e-4, offset=0.0, **profile):
    """GeoTIFF with band names, scale tags and nodata 0."""
    count, rows, cols = array.shape
    profile = {
        "driver": "GTiff",
        "crs": "EPSG:32631",
        "transform": from_origin(500_000, 5_000_000, 10, 10),
        "nodata": 0 if array.dtype.kind == "u" else None,
        **profile,
    }
    with rasterio.open(
        path, "w", count=count, height=rows, width=cols, dtype=array.dtype, **profile
    ) as dataset:
        dataset.write(array)
        if bands:
            dataset.descriptions = bands
        if scale is not None:
            dataset.scales, dataset.offsets = [scale] * count, [offset] * count
    return path


@pytest.fixture
def scene(tmp_path):
    """Three bands of noise, 150 x 130 pixels of 10 m, the upper left corner nodata."""
    return write_scene(tmp_path / "scene.tif", noise())


@pytest.fixture
def narrow_memory(monkeypatch):
    """Pretend so little free memory that the scenes of these tests are cut into tiles."""

    def pretend(tile):
        # The plan takes half the memory for 1.4 x 400 bytes of activations and 3 bands a pixel.
        needed = int(2 * (1.4 * 400 + 48) * (tile + 1) ** 2)
        monkeypatch.setattr("georaster_dl.models.runtime.device.available_memory", lambda: needed)
        # On a processor that computes in bf16, half of it would do.
        monkeypatch.setattr(
            "georaster_dl.models.runtime.device._native_dtype", lambda _: torch.float32
        )

    return pretend


@pytest.fixture
def small_disk(tmp_path):
    """Factory of a folder on a disk of so many KiB; skips where none can be mounted."""
    mounted = []

    def mount(kib):
        if os.geteuid() != 0 or shutil.which("mount") is None:
            pytest.skip("mounting a small disk needs root")
        folder = tmp_path / "disk"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no tmpfs can be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)
