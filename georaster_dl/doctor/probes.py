"""Probes that run in a process of their own, because they import packages that may be broken.

Started by ``ask.py``. Each probe prints one line of JSON as soon as it is done, so that those before a
crash are not lost.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["GROUPS", "main"]

_PLACE = (3.0, 45.0)  # degrees east and north; on UTM zone 31's central meridian


def main(group: str) -> None:
    """Run the probes of a group and print their answers."""
    for name in GROUPS[group]:
        told: dict[str, Any] = {"probe": name}
        try:
            told["facts"] = _PROBES[name]()
        except Exception as error:  # noqa: BLE001  whatever it is, it is what the report must tell
            told["error"] = f"{type(error).__name__}: {error}"
        print("\n" + json.dumps(told), flush=True)  # noqa: T201  libraries may have left a line open


def probe_torch() -> dict[str, Any]:
    """Version, build, processor and devices of torch."""
    import torch

    from georaster_dl.models.runtime.device import Device

    built_for = "the CPU alone"
    if torch.version.cuda:
        built_for = f"CUDA {torch.version.cuda}"
    elif torch.version.hip:
        built_for = f"ROCm {torch.version.hip}"
    devices, reason = _devices(torch, built_for)
    works = all(device["error"] is None for device in devices)
    chosen = Device.choose("auto" if works else "cpu")
    return {
        "version": str(torch.__version__),
        "path": str(Path(torch.__file__).parent),
        "built_for": built_for,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cpu_bf16": Device.choose("cpu").precision == "bf16",
        "threads": torch.get_num_threads(),
        "devices": devices,
        "no_gpu": reason,
        "gpu_driver": shutil.which("nvidia-smi") is not None
        or Path("/proc/driver/nvidia/version").exists(),
        "computes_on": chosen.name,
    }


def _devices(torch: Any, built_for: str) -> tuple[list[dict[str, Any]], str | None]:
    """Every GPU, and why there is none."""
    if built_for == "the CPU alone":
        return [], "this build of torch is for the CPU alone"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    if available:
        return [_device(torch, index) for index in range(torch.cuda.device_count())], None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible in ("", "-1"):
        return [], f"CUDA_VISIBLE_DEVICES={visible!r} hides all GPUs"
    reason = str(said[0].message) if said else ""
    if not reason:
        try:
            torch.cuda.init()
        except Exception as error:  # noqa: BLE001  only its message is wanted
            reason = str(error)
    return [], " ".join(reason.split()).split(". ")[0] or "torch sees no device"


def _device(torch: Any, index: int) -> dict[str, Any]:
    """One GPU, and whether it computes: a build may lack the code for an old or a new one."""
    facts: dict[str, Any] = {
        "name": torch.cuda.get_device_name(index),
        "capability": ".".join(map(str, torch.cuda.get_device_capability(index))),
        "memory_bytes": None,
        "memory_free_bytes": None,
        "error": None,
    }
    try:
        free, total = torch.cuda.mem_get_info(index)
        facts |= {"memory_bytes": int(total), "memory_free_bytes": int(free)}
        images = torch.ones(1, 1, 8, 8, device=f"cuda:{index}")
        total = torch.nn.functional.conv2d(images, torch.ones(1, 1, 3, 3, device=images.device))
        if float(total.sum()) != 36 * 9:
            facts["error"] = "a convolution came out wrong"
    except Exception as error:  # noqa: BLE001  whatever it is, the device does not compute
        facts["error"] = " ".join(str(error).split())
    return facts


def probe_models() -> list[dict[str, Any]]:
    """Bundled models, each opened and its network built."""
    from georaster_dl.models.package.file import builtin_models, load_model

    found: list[dict[str, Any]] = []
    for name, path in builtin_models().items():
        facts: dict[str, Any] = {"name": name, "path": str(path), "version": None, "error": None}
        try:
            facts["version"] = load_model(path)[0].version
        except Exception as error:  # noqa: BLE001  a broken torch fails in many ways
            facts["error"] = str(error) or type(error).__name__
        found.append(facts)
    return found


def probe_gdal() -> dict[str, Any]:
    """GDAL as rasterio brings it."""
    import rasterio

    folder = Path(rasterio.__file__).parent
    with rasterio.Env() as environment:
        drivers = environment.drivers()
    return {
        "rasterio": rasterio.__version__,
        "path": str(folder),
        "version": rasterio.__gdal_version__,
        "brings_data": (folder / "proj_data").is_dir(),
        "drivers": sorted(drivers),
    }


def probe_proj() -> dict[str, Any]:
    """One coordinate transformed with rasterio's PROJ."""
    import rasterio
    from rasterio.warp import transform

    east, north = transform("EPSG:4326", "EPSG:32631", [_PLACE[0]], [_PLACE[1]])
    return {"version": rasterio.__proj_version__, "east": east[0], "north": north[0]}


def probe_pyproj() -> dict[str, Any]:
    """The same coordinate with pyproj's PROJ, which vectors use."""
    import pyproj

    east, north = pyproj.Transformer.from_crs(4326, 32631, always_xy=True).transform(*_PLACE)
    return {"version": pyproj.proj_version_str, "east": float(east), "north": float(north)}


def probe_vectors() -> dict[str, Any]:
    """GDAL as pyogrio brings it."""
    import pyogrio

    return {
        "pyogrio": pyogrio.__version__,
        "version": ".".join(map(str, pyogrio.__gdal_version__)),
        "drivers": sorted(name for name, mode in pyogrio.list_drivers().items() if "w" in mode),
    }


_PROBES: dict[str, Callable[[], Any]] = {
    "torch": probe_torch,
    "models": probe_models,
    "gdal": probe_gdal,
    "proj": probe_proj,
    "pyproj": probe_pyproj,
    "vectors": probe_vectors,
}
# What shares a process: torch is slow to import, and two GDALs in one process are as in a real run.
GROUPS: dict[str, tuple[str, ...]] = {
    "network": ("torch", "models"),
    "files": ("gdal", "proj", "pyproj", "vectors"),
}


if __name__ == "__main__":
    main(sys.argv[1])
