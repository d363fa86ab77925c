"""Settings of Settings > Options > Processing > Providers > GeoRaster DL."""

from __future__ import annotations

import os

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.PyQt.QtGui import QIcon

from georaster_dl_qgis.program.installation import Geodl, find_geodl
from georaster_dl_qgis.program.runner import GeodlError, clean_environment

__all__ = [
    "GROUP",
    "add_settings",
    "child_environment",
    "current_geodl",
    "device",
    "has_geodl",
    "remove_settings",
    "results_folder",
    "run_options",
]

GROUP = "GeoRaster DL"
_PATH = "GEORASTER_DL_GEODL"
_DEVICE = "GEORASTER_DL_DEVICE"
_THREADS = "GEORASTER_DL_THREADS"
_RESULTS = "GEORASTER_DL_RESULTS"
_DEVICES = ["auto", "cpu", "cuda"]


def add_settings(icon: QIcon) -> None:
    """Show the settings in QGIS's options, and read those that were stored."""
    ProcessingConfig.settingIcons[GROUP] = icon
    for setting in (
        Setting(
            GROUP,
            _PATH,
            "Path of geodl, or of the folder of its environment (empty: found by itself)",
            "",
            valuetype=Setting.FILE,
        ),
        Setting(
            GROUP,
            _DEVICE,
            "Device (auto takes a GPU where there is one)",
            _DEVICES[0],
            valuetype=Setting.SELECTION,
            options=_DEVICES,
        ),
        Setting(GROUP, _THREADS, "Processor threads (0: all)", 0, valuetype=Setting.INT),
        Setting(
            GROUP,
            _RESULTS,
            "Folder of trained models and labels (empty: that of the project, else your documents)",
            "",
            valuetype=Setting.FOLDER,
        ),
    ):
        ProcessingConfig.addSetting(setting)
    ProcessingConfig.readSettings()


def remove_settings() -> None:
    """Take the settings out of QGIS's options; stored values stay."""
    for name in (_PATH, _DEVICE, _THREADS, _RESULTS):
        ProcessingConfig.removeSetting(name)


def current_geodl() -> Geodl:
    """The geodl to start.

    Raises
    ------
    GeodlError
        When there is none, with what to do.
    """
    return find_geodl(str(ProcessingConfig.getSetting(_PATH) or ""), os.environ)


def has_geodl() -> bool:
    """Whether there is a geodl to start."""
    try:
        current_geodl()
    except GeodlError:
        return False
    return True


def device() -> str:
    """``auto``, ``cpu`` or ``cuda``."""
    return str(ProcessingConfig.getSetting(_DEVICE, readable=True) or _DEVICES[0])


def results_folder() -> str:
    """Folder for models and labels that outlive a session, empty where the user named none."""
    return str(ProcessingConfig.getSetting(_RESULTS) or "").strip()


def run_options() -> list[str]:
    """Options of every command of geodl that makes files and has events."""
    return ["--progress", "json", "--overwrite", "--device", device()]


def child_environment() -> dict[str, str]:
    """Environment in which geodl is started."""
    threads = int(ProcessingConfig.getSetting(_THREADS) or 0)
    return clean_environment(os.environ, {"OMP_NUM_THREADS": str(threads)} if threads > 0 else {})
