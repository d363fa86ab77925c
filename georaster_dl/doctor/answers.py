"""Findings from the probes' answers: torch, GPUs, files, coordinates, models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from georaster_dl.doctor.ask import Answer
from georaster_dl.doctor.finding import Part, Status
from georaster_dl.doctor.packages import install_command

__all__ = ["judge_gdal", "judge_models", "judge_proj", "judge_torch", "judge_vectors"]

_EAST, _NORTH = 500_000.0, 4_982_950.4  # of 3 degrees east, 45 north on UTM zone 31
# Drivers for rasters: what they are for; without one of the first three nothing can be written.
_RASTERS = {
    "GTiff": "GeoTIFF",
    "COG": "cloud-optimised GeoTIFF",
    "VRT": "mosaics",
    "JP2OpenJPEG": "JPEG 2000 (Sentinel-2)",
    "ENVI": "ENVI",
    "netCDF": "NetCDF",
    "HDF5": "HDF5",
}
_NEEDED = {"GTiff", "COG", "VRT", "GPKG"}
_VECTORS = {"GPKG": "GeoPackage", "GeoJSON": "GeoJSON", "ESRI Shapefile": "Shapefile"}


def judge_torch(answer: Answer) -> Part:
    """Check the import of torch, and its devices."""
    part = Part(_facts(answer))
    if answer.facts is None:
        part.add(
            "torch",
            "problem",
            f"torch cannot be imported: {answer.error}",
            _torch_remedy(answer.error),
        )
        return part
    facts = answer.facts
    part.add("torch", "ok", f"torch {facts['version']}, built for {facts['built_for']}")
    _judge_gpus(part, facts)
    return part


def _torch_remedy(error: str) -> str:
    if "WinError" in error:
        return "Install Microsoft's Visual C++ Redistributable (x64), then run this again."
    if "SIGILL" in error:
        return "This processor lacks instructions that this build of torch uses; install another build."
    return _mend(error, "torch", "torchvision")


def _judge_gpus(part: Part, facts: Mapping[str, Any]) -> None:
    for device in facts["devices"]:
        if device["error"] is not None:
            part.add(
                "gpu",
                "problem",
                f"{device['name']} (compute capability {device['capability']}) does not compute: "
                f"{device['error']}",
                "Install a build of torch for it (https://pytorch.org/get-started), or use `device='cpu'`.",
            )
    working = [device for device in facts["devices"] if device["error"] is None]
    if working:
        told = ", ".join(
            f"{device['name']} ({_gib(device['memory_free_bytes'])} of {_gib(device['memory_bytes'])} free)"
            for device in working
        )
        part.add("gpu", "ok", f"{told}; geodl computes on {facts['computes_on']}")
    elif not facts["devices"]:
        text = f"no GPU: {facts['no_gpu']}; geodl computes on {facts['computes_on']}"
        if facts["gpu_driver"]:
            remedy = "To use this machine's GPU, update its driver or install torch for CUDA: "
            part.add("gpu", "warning", text, remedy + "https://pytorch.org/get-started")
        else:
            part.add("gpu", "ok", text)


def _gib(size: int | None) -> str:
    return "?" if size is None else f"{size / 2**30:.1f} GiB"


def judge_gdal(answer: Answer) -> Part:
    """Whether rasterio works, and which formats it opens."""
    part = Part(_facts(answer))
    if answer.facts is None:
        part.add(
            "gdal",
            "problem",
            f"rasterio cannot be used: {answer.error}",
            _mend(answer.error, "rasterio"),
        )
        return part
    part.facts["drivers"] = _judge_drivers(part, "gdal", _RASTERS, answer.facts["drivers"])
    part.add("gdal", "ok", f"rasterio {part.facts['rasterio']} with GDAL {part.facts['version']}")
    return part


def judge_vectors(answer: Answer) -> Part:
    """Whether pyogrio works, and which formats it writes."""
    part = Part(_facts(answer))
    if answer.facts is None:
        part.add(
            "vectors",
            "problem",
            f"pyogrio cannot be used: {answer.error}",
            _mend(answer.error, "pyogrio"),
        )
        return part
    part.facts["drivers"] = _judge_drivers(part, "vectors", _VECTORS, answer.facts["drivers"])
    part.add("vectors", "ok", f"pyogrio {part.facts['pyogrio']} with GDAL {part.facts['version']}")
    return part


def _judge_drivers(
    part: Part, topic: str, wanted: Mapping[str, str], found: list[str]
) -> dict[str, bool]:
    """Which of the drivers that users need are there."""
    there = {name: name in found for name in wanted}
    for name, use in wanted.items():
        if not there[name]:
            status: Status = "problem" if name in _NEEDED else "warning"
            package = "rasterio" if topic == "gdal" else "pyogrio"
            text = f"GDAL's driver {name} is missing, so {use} does not work"
            part.add(topic, status, text, f"{_mend('', package)} (pip's builds have it)")
    return there


def judge_proj(rasterio: Answer, pyproj: Answer) -> Part:
    """Whether coordinates are transformed, and rightly."""
    part = Part({"rasterio": _facts(rasterio), "pyproj": _facts(pyproj)})
    for name, answer in (("rasterio", rasterio), ("pyproj", pyproj)):
        facts = answer.facts
        if facts is None:
            wrong = answer.error
        elif abs(facts["east"] - _EAST) > 1 or abs(facts["north"] - _NORTH) > 1:
            wrong = f"a place came out at {facts['east']:.1f}, {facts['north']:.1f}"
        else:
            part.add("proj", "ok", f"{name} transforms coordinates (PROJ {facts['version']})")
            continue
        part.add(
            "proj",
            "problem",
            f"{name} cannot transform coordinates: {wrong}",
            f"Unset PROJ_LIB and PROJ_DATA where set; else {_mend(answer.error, name)}",
        )
    return part


def judge_models(answer: Answer) -> Part:
    """Whether the bundled models open."""
    models = answer.facts or []
    part = Part({"models": models, "error": answer.error or None})
    if answer.facts is None:
        part.add("models", "problem", f"the bundled models could not be tried: {answer.error}")
        return part
    errors: dict[str, list[str]] = {}
    for model in models:
        errors.setdefault(model["error"] or "", []).append(model["name"])
    sound = errors.pop("", [])
    for error, names in errors.items():
        text = f"{', '.join(names)} cannot be opened: {error}"
        part.add(
            "models", "problem", text, "Mend torch first if it has a problem; else install again."
        )
    if sound:
        part.add("models", "ok", f"{', '.join(sound)} can be opened")
    if not models:
        part.add("models", "problem", "no bundled model is there", "Install the package again.")
    return part


def _facts(answer: Answer) -> dict[str, Any]:
    return {"error": answer.error or None, **(answer.facts or {})}


def _mend(error: str, *names: str) -> str:
    """How to get packages that are missing, or broken."""
    missing = error.startswith("ModuleNotFoundError")
    return install_command(*([] if missing else ["--force-reinstall", "--no-deps"]), *names)
