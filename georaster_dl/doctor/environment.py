"""Environment variables of another installation that change the libraries loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from georaster_dl.doctor.finding import Part, Status
from georaster_dl.doctor.packages import install_command

__all__ = ["look_at_environment"]

_DATA = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH")
_LIBRARIES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LD_PRELOAD")
# Told, never judged: they are set on purpose, and explain what else the report says.
_PLAIN = ("QT_PLUGIN_PATH", "PYTHONNOUSERSITE", "PYTHONUTF8", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS",
          "TORCH_HOME", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "QGIS_CUSTOM_CONFIG_PATH",
          "GEODL_EXE")  # fmt: skip
_CLASHING = ("libtorch*", "libcudnn*", "libcublas*", "libcudart*", "libgdal*", "libproj*", "libstdc++*",
             "libsqlite3*", "libgomp*", "libpython3*")  # fmt: skip


def look_at_environment(dropped: Mapping[str, str]) -> Part:
    """Variables that matter, and nothing of any other.

    Parameters
    ----------
    dropped : variables that ``geodl`` took out of its environment before anything could read them,
        with the values that they had.
    """
    part = Part({"variables": {}})
    for name in (
        *_DATA,
        "PYTHONHOME",
        "PYTHONPATH",
        *_LIBRARIES,
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        *_PLAIN,
    ):
        value = dropped.get(name, os.environ.get(name))
        if value is None:
            continue
        before = len(part.findings)
        _judge(part, name, value, name in dropped)
        status: Status = part.findings[-1].status if len(part.findings) > before else "ok"
        part.facts["variables"][name] = {
            "value": value,
            "status": status,
            "ignored": name in dropped,
        }
    if not part.findings:
        part.add("environment", "ok", "no variable leaks in from another installation")
    return part


def _judge(part: Part, name: str, value: str, dropped: bool) -> None:
    if dropped:
        part.add(
            "environment",
            "warning",
            f"{name}={value} comes from another installation; geodl ignores it",
            f"Unset {name} for Python programs of your own that import georaster_dl.",
        )
    elif name in _DATA and not _is_own(value):
        part.add(
            "environment",
            "warning",
            f"{name}={value} lies outside this Python's installation",
            f"Unset {name} if coordinates or files fail.",
        )
    elif name == "PYTHONHOME" and not _same(value, sys.base_prefix):
        part.add(
            "environment", "warning", f"PYTHONHOME={value} is another Python's", f"Unset {name}."
        )
    elif name == "PYTHONPATH" and value:
        part.add(
            "environment",
            "warning",
            f"PYTHONPATH={value}: packages there come before this installation's own",
            "Unset PYTHONPATH unless you set it for geodl.",
        )
    elif name in _LIBRARIES:
        _judge_libraries(part, name, value)
    elif name in ("VIRTUAL_ENV", "CONDA_PREFIX") and not _some_active_is_own():
        part.add(
            "environment",
            "warning",
            f"{name}={value} is active, but geodl runs in {sys.prefix}",
            f"What you install with pip goes there; for geodl: {install_command('...')}",
        )


def _judge_libraries(part: Part, name: str, value: str) -> None:
    found = sorted(
        {
            path.name.partition(".")[0]
            for entry in value.split(os.pathsep)
            for pattern in _CLASHING
            for path in ([Path(entry)] if name == "LD_PRELOAD" else _listed(entry, pattern))
            if path.match(pattern)
        }
    )
    if found:
        part.add(
            "environment",
            "warning",
            f"{name}={value} puts {', '.join(found)} before the ones that pip installed",
            f"Unset {name} if torch or GDAL cannot be loaded, or geodl crashes.",
        )


def _listed(folder: str, pattern: str) -> list[Path]:
    try:
        return list(Path(folder).glob(pattern)) if folder else []
    except OSError:
        return []


def _some_active_is_own() -> bool:
    """Whether pip, as the user has it, would install where geodl runs."""
    active = (os.environ.get(name) for name in ("VIRTUAL_ENV", "CONDA_PREFIX"))
    return any(value is not None and _same(value, sys.prefix) for value in active)


def _is_own(value: str) -> bool:
    prefixes = {Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()} - {Path("/usr")}
    return any(Path(value).resolve().is_relative_to(prefix) for prefix in prefixes)


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
