"""A small model, small scenes, and the command run in this process."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from geodl_cli.main import _run

from georaster_dl.testing import noise, write_model, write_scene

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
    return write_model(tmp_path_factory.mktemp("model") / "toy.safetensors")


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
