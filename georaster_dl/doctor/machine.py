"""Checks of the machine: Python, memory, free disk, and leftovers of earlier runs."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import georaster_dl
from georaster_dl.doctor.finding import Part

__all__ = [
    "look_at_caches",
    "look_at_geodl",
    "look_at_machine",
    "look_at_python",
    "look_at_temporary",
]

_LITTLE_MEMORY = 2 * 2**30
_LITTLE_DISK = 2**30
_MOST_FILES = 50_000


def look_at_geodl(executable: Path | None) -> Part:
    """Which geodl this is."""
    part = Part(
        {
            "version": georaster_dl.__version__,
            "path": str(Path(georaster_dl.__file__).parent),
            "executable": None if executable is None else str(executable),
        }
    )
    text = f"geodl {georaster_dl.__version__}"
    if executable is None:
        text += ", but no command of that name beside this Python, so QGIS cannot start it"
        part.add("geodl", "warning", text, "Install the package again into this environment.")
    else:
        part.add("geodl", "ok", text)
    return part


def look_at_python() -> Part:
    """The Python that runs this."""
    version = platform.python_version()
    part = Part(
        {
            "version": version,
            "executable": sys.executable,
            "prefix": sys.prefix,
            "base_prefix": sys.base_prefix,
        }
    )
    if sys.maxsize < 2**32:
        part.add("python", "problem", f"Python {version} has 32 bits", "Use one of 64 bits.")
    else:
        part.add("python", "ok", f"Python {version}")
    return part


def look_at_machine() -> Part:
    """System, processor and memory."""
    import psutil

    from georaster_dl.core.process import available_memory, usable_cpus

    total, free = int(psutil.virtual_memory().total), available_memory()
    part = Part(
        {
            "system": platform.platform(),
            "machine": platform.machine(),
            "processor": _processor(),
            "cores": usable_cpus(),
            "memory_bytes": total,
            "memory_free_bytes": free,
        }
    )
    text = f"{free / 2**30:.1f} GiB of memory free"
    if free < _LITTLE_MEMORY:
        part.add("memory", "warning", text, "Close other programs: runs need 1 to 3 GiB.")
    else:
        part.add("memory", "ok", text)
    return part


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def look_at_temporary() -> Part:
    """Free disk where temporary files go."""
    part = Part()
    try:
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        part.facts = {"path": None, "free_bytes": None}
        part.add("temporary", "problem", f"no folder for temporary files: {error}", "Set TMPDIR.")
        return part
    part.facts = {"path": folder, "free_bytes": free}
    text = f"{free / 2**30:.1f} GiB free in {folder}"
    if free < _LITTLE_DISK:
        part.add("temporary", "warning", text, "Free some space, or set TMPDIR to another disk.")
    else:
        part.add("temporary", "ok", text)
    return part


def look_at_caches() -> Part:
    """Weights of pretrained encoders that training downloaded; the bundled models need none."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    torch_home = Path(os.environ.get("TORCH_HOME") or home / "torch")
    hugging_home = Path(os.environ.get("HF_HOME") or home / "huggingface")
    folders = {
        "torch_hub": torch_home / "hub",
        "huggingface": Path(os.environ.get("HF_HUB_CACHE") or hugging_home / "hub"),
    }
    part = Part({name: _measure(folder) for name, folder in folders.items()})
    sizes = [facts["bytes"] for facts in part.facts.values()]
    text = (
        f"{sum(sizes) / 2**20:.0f} MiB of pretrained encoders kept" if any(sizes) else "none kept"
    )
    part.add("caches", "ok", text)
    return part


def _measure(folder: Path) -> dict[str, Any]:
    """Count files and bytes below a folder; links are not followed, or a cache of links would count twice."""
    files = size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118  many files
            except OSError:
                continue
            files += 1
        if files >= _MOST_FILES:
            break
    return {
        "path": str(folder),
        "exists": folder.is_dir(),
        "files": files,
        "bytes": size,
        "all_counted": files < _MOST_FILES,
    }
