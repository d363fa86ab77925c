"""Where geodl is, whether it fits this plugin, and how it is installed; knows no QGIS.

geodl never shares QGIS's Python: it lives in a virtual environment made by another one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from georaster_dl_qgis.program.runner import (
    CancelledError,
    FailedError,
    GeodlError,
    clean_environment,
    run,
)

__all__ = [
    "NEEDED",
    "Geodl",
    "Python",
    "find_geodl",
    "find_python",
    "home_folder",
    "install",
    "version_of",
]

NEEDED = (0, 1)
"""The oldest geodl that tells what this plugin listens for."""

_LAST_LINES = 3  # of what a failed program said
_PATH = re.compile(r"[/\\]|\.whl$")  # what tells a path from a requirement
_OLDEST_PYTHON = (3, 11)
_PYTHONS = ("python3.13", "python3.12", "python3.11", "python3.14", "python3", "python")
_ENVIRONMENT = re.compile(r"env-\w+")  # folder of one, as tempfile names it
_CURRENT = "current.json"  # names the environment in use; replaced when another one is ready
_PROBE = (
    "import sys, json, venv, ensurepip; "
    "print(json.dumps([list(sys.version_info[:3]), sys.executable]))"
)

Line = Callable[[str], None]
Stage = Callable[[float, str], None]
Cancelled = Callable[[], bool]


@dataclass(frozen=True)
class Geodl:
    """A geodl that can be started.

    Attributes
    ----------
    path : absolute, of the program.
    origin : who said so, for messages.
    """

    path: Path
    origin: str


@dataclass(frozen=True)
class Python:
    """A Python from which a virtual environment can be made.

    Attributes
    ----------
    command : what makes an environment when a folder is added to it.
    name : for people.
    """

    command: tuple[str, ...]
    name: str


def home_folder() -> Path:
    """Folder of the virtual environments that the plugin makes; short, as Windows limits paths."""
    return Path.home() / ".georaster_dl"


def find_geodl(setting: str, environment: Mapping[str, str], home: Path | None = None) -> Geodl:
    """The geodl to start: that of the settings, of ``GEODL_EXE``, of the plugin, or on the PATH.

    Parameters
    ----------
    setting : path of the program, or of the folder of its environment; may be empty.
    home : folder of the plugin's own environments.

    Raises
    ------
    GeodlError
        When there is none, or one that was named is not there.
    """
    named = (
        (setting.strip(), "the setting 'Path of geodl'"),
        (environment.get("GEODL_EXE", "").strip(), "the variable GEODL_EXE"),
    )
    for text, origin in named:
        if text:
            path = _program_in(Path(text).expanduser())
            if path is None:
                raise GeodlError(
                    f"There is no geodl at {text}, where {origin} says; correct it in Settings > Options > "
                    f"Processing > Providers > GeoRaster DL, or clear it and run 'Check or install geodl'."
                )
            return Geodl(path, origin)
    own = _current(home or home_folder())
    if own is not None:
        return Geodl(own, "the plugin's own environment")
    found = shutil.which("geodl", path=environment.get("PATH"))
    if found is not None:
        return Geodl(Path(found).absolute(), "the PATH")
    raise GeodlError(
        "geodl is not installed, or not where QGIS looks: run 'Check or install geodl' (Processing "
        "toolbox > GeoRaster DL), or set its path in Settings > Options > Processing > Providers > "
        "GeoRaster DL."
    )


def _current(home: Path) -> Path | None:
    """The program in the environment that was made last and found to work."""
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        facts = json.loads((home / _CURRENT).read_text(encoding="utf-8"))
        name = str(facts["environment"])
        if _ENVIRONMENT.fullmatch(name) and not (home / name).is_symlink():
            return _program_in(home / name)  # nothing else than what was made here is ever run
    return None


def _program_in(path: Path) -> Path | None:
    """The program that a path means: itself, or the one in a virtual environment's folder."""
    if path.is_file():
        return path.absolute()
    for inside in ("bin/geodl", "Scripts/geodl.exe", "geodl", "geodl.exe"):
        if (path / inside).is_file():
            return (path / inside).absolute()
    return None


def version_of(geodl: Geodl, environment: Mapping[str, str], cancelled: Cancelled) -> str:
    """Version of a geodl that this plugin can work with.

    Raises
    ------
    GeodlError
        When it cannot be started, is something else, or is too old.
    """
    lines: list[str] = []
    clean = clean_environment(environment)
    command = [str(geodl.path), "--version"]
    run(command, environment=clean, line=lines.append, cancelled=cancelled, grace=0)
    match = re.match(r"geodl, version ((\d+)\.(\d+)\S*)", lines[-1] if lines else "")
    if match is None:
        raise GeodlError(
            f"{geodl.path} ({geodl.origin}) is not geodl: asked for its version it says "
            f"{' '.join(lines)[:200] or 'nothing'!r}; correct 'Path of geodl' in Settings > Options > "
            f"Processing > Providers > GeoRaster DL."
        )
    if (int(match[2]), int(match[3])) < NEEDED:
        wanted = ".".join(map(str, NEEDED))
        raise GeodlError(
            f"geodl {match[1]} at {geodl.path} is older than this plugin needs ({wanted}); update it: "
            f"'Check or install geodl' with 'Install or update', or pip install --upgrade georaster_dl in its "
            f"environment."
        )
    return match[1]


def find_python(asked: str, environment: Mapping[str, str], cancelled: Cancelled) -> Python:
    """Find a Python that can make a virtual environment: the given path, or one on the PATH.

    ``sys.executable`` is of no use: inside QGIS it may be QGIS itself. Where no Python fits, ``uv``
    on the PATH is taken, which brings one.

    Raises
    ------
    GeodlError
        When none fits, with what was wrong with each.
    """
    refused = []
    for candidate in [asked] if asked else _candidates(environment):
        try:
            return _probed(candidate, environment, cancelled)
        except CancelledError:  # noqa: PERF203  a handful of candidates
            raise
        except GeodlError as error:
            refused.append(str(error))
    uv = None if asked else shutil.which("uv", path=environment.get("PATH"))
    if uv is not None:
        wanted = ">=" + ".".join(map(str, _OLDEST_PYTHON))
        return Python((uv, "venv", "--seed", "--clear", "--python", wanted), f"uv ({uv})")
    least = ".".join(map(str, _OLDEST_PYTHON))
    raise GeodlError(
        f"No Python {least} or newer that can make virtual environments was found"
        f"{': ' + '; '.join(refused) if refused else ' on the PATH'}. Install one from python.org (Debian "
        f"and Ubuntu: apt install python3-venv), or uv, or name a Python in 'Python to use'."
    )


def _candidates(environment: Mapping[str, str]) -> Iterator[str]:
    """Pythons on the PATH, newest that is well supported first, each once."""
    seen = set()
    for name in _PYTHONS:
        found = shutil.which(name, path=environment.get("PATH"))
        if found is not None and os.path.realpath(found) not in seen:
            seen.add(os.path.realpath(found))
            yield found
    if sys.platform == "win32":
        root = Path(environment.get("LOCALAPPDATA", "")) / "Programs" / "Python"
        yield from (str(path) for path in sorted(root.glob("Python3*/python.exe"), reverse=True))


def _probed(candidate: str, environment: Mapping[str, str], cancelled: Cancelled) -> Python:
    """Ask the Python at a path for its version and own path: a launcher starts another Python."""
    path = Path(candidate).expanduser()
    if path.name.lower().startswith("qgis"):
        raise GeodlError(f"{path} is QGIS, no Python")  # starting it would open a window
    clean = clean_environment(environment)
    try:
        ended = run([path, "-I", "-c", _PROBE], environment=clean, cancelled=cancelled, grace=0)
    except GeodlError as error:
        if not path.is_file():
            raise GeodlError(f"{path} does not exist") from error
        lacks = "lacks venv or ensurepip" if "No module named" in str(error) else "does not start"
        raise GeodlError(f"{path} {lacks}") from error
    if not isinstance(ended.result, list):
        raise GeodlError(f"{path} is no Python")
    version, executable = ended.result
    number = ".".join(map(str, version))
    if tuple(version[:2]) < _OLDEST_PYTHON:
        raise GeodlError(f"{path} is Python {number}")
    return Python((executable, "-I", "-m", "venv", "--clear"), f"Python {number} ({executable})")


def install(
    python: Python,
    source: str,
    environment: Mapping[str, str],
    *,
    line: Line,
    stage: Stage,
    cancelled: Cancelled,
    home: Path | None = None,
) -> Geodl:
    """Make a virtual environment, install geodl into it, and use that from now on.

    The environment that was used before is removed only when the new one works; of one that fails
    nothing is left.

    Parameters
    ----------
    source : what pip installs: a requirement, a wheel, or a folder with the source.
    line : called with what the programs say.
    stage : called with the progress in percent and what is being done.
    home : folder of the plugin's environments.

    Raises
    ------
    GeodlError
        When a step fails, with its reason.
    """
    if _PATH.search(source) and "://" not in source and not Path(source).exists():
        raise GeodlError(
            f"There is no file or folder {source} to install; check 'What to install'."
        )
    home = home or home_folder()
    home.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="env-", dir=home))
    try:
        made, facts = _filled(folder, python, source, environment, line, stage, cancelled)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    ready = home / f"{folder.name}.json"
    ready.write_text(json.dumps({"environment": folder.name, **facts}), encoding="utf-8")
    ready.replace(home / _CURRENT)
    for old in home.glob("env-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)  # one that is running stays, on Windows
    return made


def _filled(
    folder: Path,
    python: Python,
    source: str,
    environment: Mapping[str, str],
    line: Line,
    stage: Stage,
    cancelled: Cancelled,
) -> tuple[Geodl, dict[str, str]]:
    """Return the geodl of a new environment, and remember the environment."""
    clean = clean_environment(environment)

    def step(percent: float, doing: str, *command: str | Path) -> None:
        stage(percent, doing)
        try:
            run(command, environment=clean, line=line, cancelled=cancelled, grace=0)
        except FailedError as error:
            said = " ".join(list(error.ended.last)[-_LAST_LINES:]) or str(error)
            raise GeodlError(f"{doing} did not work: {said}") from error

    step(2, f"Making a virtual environment with {python.name}", *python.command, folder)
    inside = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = (inside, "-I", "-m", "pip", "install", "--no-input", "--progress-bar", "off")
    step(8, "Updating pip", *pip, "--upgrade", "pip")
    step(12, f"Installing {source} (PyTorch takes several GB: minutes)", *pip, source)
    path = _program_in(folder)
    if path is None:
        raise GeodlError(
            f"pip installed {source}, but that brought no geodl; what to install must be georaster_dl."
        )
    stage(95, "Starting it for the first time")
    made = Geodl(path, "the plugin's own environment")
    version = version_of(made, environment, cancelled)
    return made, {"version": version, "python": python.name, "source": source}
