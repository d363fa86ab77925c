"""QGIS on this machine, and whether our plugin is in its profiles and starts this geodl."""

from __future__ import annotations

import glob
import platform
import shutil
from pathlib import Path
from typing import Any

from georaster_dl import __version__
from georaster_dl.core.wording import command_line
from georaster_dl.doctor.finding import Part
from georaster_dl.qgis.install import GEODL_ENTRY, PLUGINS_ENTRY, read_setting
from georaster_dl.qgis.plugin import plugin_version
from georaster_dl.qgis.profile import Profile, find_profiles, flatpak_root

__all__ = ["look_at_qgis"]

_PROGRAMS = ("qgis_process.bin", "qgis_process", "qgis_process-qgis", "qgis_process-qgis-ltr")
_PLACES = {
    "Windows": (
        r"C:\Program Files\QGIS*\bin\qgis_process-qgis*.bat",
        r"C:\OSGeo4W\bin\qgis_process-qgis*.bat",
    ),
    "Darwin": ("/Applications/QGIS*.app/Contents/MacOS/bin/qgis_process",),
}


def look_at_qgis(executable: Path | None) -> Part:
    """Programs and profiles; in each profile the plugin, its version and the geodl it starts.

    Parameters
    ----------
    executable : the command geodl of this installation.
    """
    profiles = [_facts(profile) for profile in find_profiles()]
    part = Part({"qgis_process": _programs(), "profiles": profiles})
    for facts in profiles:
        if facts["plugin_version"] is not None:
            _judge(part, facts, executable)
    found = part.facts["qgis_process"] or profiles
    if not found:
        part.add("qgis", "ok", "no QGIS found; only its plugin needs it")
    elif not any(facts["plugin_version"] for facts in profiles):
        text = "QGIS found, without the plugin of georaster_dl"
        part.add("qgis", "ok", text, "If wanted: geodl qgis install")
    return part


def _programs() -> list[str]:
    found = [path for name in _PROGRAMS if (path := shutil.which(name)) is not None]
    found += [path for place in _PLACES.get(platform.system(), ()) for path in glob.glob(place)]  # noqa: PTH207  patterns with a drive
    return found


def _facts(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "path": str(profile.folder),
        "plugin_version": plugin_version(profile.plugin),
        "enabled": read_setting(profile, PLUGINS_ENTRY) == "true",
        "geodl": read_setting(profile, GEODL_ENTRY),
        "flatpak": profile.root == flatpak_root(),
    }


def _judge(part: Part, facts: dict[str, Any], executable: Path | None) -> None:
    """One profile that has the plugin."""
    version, started, where = facts["plugin_version"], facts["geodl"], facts["path"]
    before = len(part.findings)
    again = command_line("geodl", "qgis", "install", "--profile", facts["name"])
    if version != __version__:
        text = f"the plugin in {where} is {version}, the package {__version__}"
        part.add("qgis", "warning", text, again)
    if not facts["enabled"]:
        part.add("qgis", "warning", f"the plugin in {where} is switched off", again)
    if started is not None and not Path(started).is_file():
        text = f"the plugin in {where} starts {started}, which is not there"
        part.add("qgis", "warning", text, again)
    elif started is not None and executable is not None and not _same(started, executable):
        text = f"the plugin in {where} starts another geodl: {started}"
        part.add("qgis", "warning", text, f"If this one is meant: {again}")
    if len(part.findings) == before:
        part.add("qgis", "ok", f"the plugin {version} is in {where}")


def _same(one: str, other: Path) -> bool:
    return Path(one).resolve() == other.resolve()
