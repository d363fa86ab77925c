"""Installation of the plugin into a profile of QGIS: copied, switched on, with the path of geodl."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from georaster_dl.core.disk import explain_os_error
from georaster_dl.core.errors import OutputError
from georaster_dl.qgis.plugin import PLUGIN, SKIPPED, plugin_version
from georaster_dl.qgis.profile import Profile
from georaster_dl.qgis.settings import read_entry, set_entry

__all__ = ["GEODL_ENTRY", "PLUGINS_ENTRY", "Installed", "install_plugin", "read_setting"]

# Section and key of the plugin's setting 'Path of geodl', as QGIS's options store it.
GEODL_ENTRY = ("Processing", r"Configuration\GEORASTER_DL_GEODL")
PLUGINS_ENTRY = ("PythonPlugins", PLUGIN)  # where QGIS notes which plugins are switched on


@dataclass(frozen=True)
class Installed:
    """Changes to a profile.

    Attributes
    ----------
    profile : where.
    created : whether the profile was not there before.
    replaced : version of the copy that was there before.
    linked : the profile links to the plugin's own folder, so nothing was copied.
    settings : files of settings that were changed.
    """

    profile: Profile
    created: bool
    replaced: str | None
    linked: bool
    settings: tuple[Path, ...]


def install_plugin(profile: Profile, source: Path, geodl: Path) -> Installed:
    """Copy the plugin from ``source``, switch it on, and set the ``geodl`` to start.

    A copy that is there is replaced at once, so QGIS never finds half of it.

    Raises
    ------
    OutputError
        When something else lies in its place, or the profile cannot be written; the plugin that
        was there stays.
    """
    target = profile.plugin
    replaced = plugin_version(target)
    if os.path.lexists(target) and replaced is None:
        raise OutputError(
            f"{target} is in the way: it is not the plugin of georaster_dl, and stays as it is; move it "
            f"away and run this again."
        )
    linked = target.is_symlink() and target.resolve() == source.resolve()
    created = not profile.folder.is_dir()
    try:
        changed = {path: _changed_settings(path, geodl) for path in profile.settings}
        if not linked:
            _replace_folder(source, target)
        for path, content in changed.items():
            _write(path, content)
    except OSError as error:
        raise explain_os_error(error, Path(error.filename or target)) from error
    return Installed(profile, created, replaced, linked, tuple(changed))


def read_setting(profile: Profile, entry: tuple[str, str]) -> str | None:
    """An entry of the profile's settings; None where there is none or nothing can be read."""
    for path in profile.settings:
        try:
            found = read_entry(path.read_bytes(), *entry)
        except OSError:
            continue
        if found is not None:
            return found
    return None


def _changed_settings(path: Path, geodl: Path) -> bytes:
    content = path.read_bytes() if path.exists() else b""
    content = set_entry(content, *GEODL_ENTRY, str(geodl))
    return set_entry(content, *PLUGINS_ENTRY, "true")


def _replace_folder(source: Path, target: Path) -> None:
    """Copy beside, then rename; the hidden folder is none that QGIS takes for a plugin."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".geodl-", dir=target.parent))
    new, old = beside / "new", beside / "old"
    try:
        shutil.copytree(source, new, ignore=shutil.ignore_patterns(*SKIPPED))
        if os.path.lexists(target):
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if os.path.lexists(old):
                old.rename(target)
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    """Replace a file at once, keeping its rights and, where it is a link, the link."""
    final = path.resolve()
    final.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".geodl-", dir=final.parent)
    written = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        if final.exists():
            shutil.copymode(final, written)
        written.replace(final)
    finally:
        written.unlink(missing_ok=True)
