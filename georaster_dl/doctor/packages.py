"""Python packages: which there are, which are missing, too old, or hidden by another installation's."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from georaster_dl.core.wording import command_line
from georaster_dl.doctor.finding import Part

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["hidden_packages", "install_command", "look_at_packages"]

_PACKAGE = "georaster_dl"
_UNSET = "Unset PYTHONPATH and run this again."
_EXTRAS = {
    "dask": "Dask clusters",
    "export": "ONNX",
    "tables": "Parquet tables",
}
_MODULES = ("numpy", "rasterio", "pyogrio", "pyproj", "torch", "torchvision", "timm", "shapely", "pandas",
            "scipy", "sklearn", "pydantic", "safetensors")  # fmt: skip


def look_at_packages() -> Part:
    """Check the versions of required and optional packages."""
    from packaging.requirements import Requirement  # what may be missing itself

    part = Part({"required": {}, "extras": {}})
    lacking, old = [], []
    for requirement in (Requirement(text) for text in metadata.requires(_PACKAGE) or ()):
        extra = next((name for name in _EXTRAS if _belongs(str(requirement.marker), name)), None)
        if requirement.marker is not None and extra is None:
            continue
        version = _version(requirement.name)
        if extra is not None:
            part.facts["extras"].setdefault(extra, {})[requirement.name] = version
            continue
        part.facts["required"][requirement.name] = version
        if version is None:
            lacking.append(requirement)
        elif not requirement.specifier.contains(version, prereleases=True):
            old.append(requirement)
    hidden = _look_for_hidden(part)
    if lacking:
        names = ", ".join(requirement.name for requirement in lacking)
        part.add("packages", "problem", f"missing: {names}", _install(lacking))
    if old:
        told = ", ".join(f"{r.name} {_version(r.name)} ({r.specifier} is needed)" for r in old)
        remedy = _UNSET if hidden else _install(old)
        part.add("packages", "problem", f"of the wrong version: {told}", remedy)
    if not lacking and not old:
        number = len(part.facts["required"])
        part.add("packages", "ok", f"all {number} required packages are there")
    _look_at_extras(part)
    return part


def _look_at_extras(part: Part) -> None:
    for extra, versions in part.facts["extras"].items():
        absent = [name for name, version in versions.items() if version is None]
        if absent:
            text = f"{_EXTRAS[extra]}: {', '.join(absent)} not installed"
            part.add("extras", "ok", text, f"If wanted: {install_command(*absent)}")
        else:
            part.add("extras", "ok", f"{_EXTRAS[extra]}: installed")


def _look_for_hidden(part: Part) -> bool:
    """Whether PYTHONPATH hides packages; every folder that hides some is a finding."""
    foreign = False
    by_place: dict[tuple[str, str], list[str]] = {}
    for name, places in hidden_packages().items():
        by_place.setdefault(places, []).append(name)
    for (first, second), names in by_place.items():
        text = f"{', '.join(names)} imported from {first}, which hides those in {second}"
        if first in _python_path():
            foreign = True
            part.add("packages", "problem", text, _UNSET)
        else:
            part.add("packages", "warning", text, "Remove those that geodl should not use.")
    return foreign


def hidden_packages() -> dict[str, tuple[str, str]]:
    """Find modules in two folders of Python's path: the loaded file, and the hidden file."""
    found = {}
    for name in _MODULES:
        places = list(dict.fromkeys(_places(name)))
        if len(places) > 1:
            found[name] = (places[0], places[1])
    return found


def _places(name: str) -> Iterator[str]:
    for folder in sys.path:
        spec = PathFinder.find_spec(name, [folder or os.curdir])
        if spec is not None and spec.origin is not None:
            yield str(Path(folder).resolve())


def _python_path() -> set[str]:
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {str(Path(entry).resolve()) for entry in entries if entry}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _belongs(marker: str, extra: str) -> bool:
    return re.search(rf"extra == ['\"]{extra}['\"]", marker) is not None


def install_command(*names: str) -> str:
    """How to install these packages into the Python that runs this."""
    return command_line(sys.executable, "-m", "pip", "install", *names)


def _install(requirements: Sequence[Requirement]) -> str:
    return install_command(*(f"{r.name}{r.specifier}" for r in requirements))
