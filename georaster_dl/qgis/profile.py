"""Where QGIS keeps a user's profiles, and which of them is meant."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from georaster_dl.core.errors import OptionError
from georaster_dl.qgis.plugin import PLUGIN

__all__ = ["DEFAULT", "Profile", "choose_profiles", "find_profiles", "flatpak_root", "own_roots"]

DEFAULT = "default"
_VERSIONS = ("QGIS3", "QGIS4")


@dataclass(frozen=True)
class Profile:
    """One profile: a folder of plugins and settings.

    Attributes
    ----------
    root : the folder that holds all profiles.
    name : its own folder's name in there.
    """

    root: Path
    name: str

    @property
    def folder(self) -> Path:
        """Everything of the profile."""
        return self.root / self.name

    @property
    def plugin(self) -> Path:
        """Folder of our plugin, which may not exist."""
        return self.folder / "python" / "plugins" / PLUGIN

    @property
    def settings(self) -> list[Path]:
        """Existing files of settings, else the file that QGIS will make."""
        folders = ("QGIS", "qgis.org")  # the second on macOS
        found = [
            path for name in folders for path in sorted((self.folder / name).glob("QGIS[34].ini"))
        ]
        version = self.root.parent.name
        name = version if version in _VERSIONS else _VERSIONS[0]
        first = folders[platform.system() == "Darwin"]
        return found or [self.folder / first / f"{name}.ini"]


def own_roots() -> list[Path]:
    """Folders of profiles where QGIS looks for them, whether they exist or not."""
    custom = os.environ.get("QGIS_CUSTOM_CONFIG_PATH")
    if custom:
        return [Path(custom).absolute() / "profiles"]
    return [_data_folder() / "QGIS" / version / "profiles" for version in _VERSIONS]


def flatpak_root() -> Path:
    """Folder of profiles of a QGIS from Flatpak."""
    return Path.home() / ".var/app/org.qgis.qgis/data/QGIS/QGIS3/profiles"


def _data_folder() -> Path:
    system = platform.system()
    if system == "Windows":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData/Roaming")
    if system == "Darwin":
        return Path.home() / "Library/Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")


def find_profiles() -> list[Profile]:
    """Every profile of this user, those of a QGIS from Flatpak included."""
    roots = [*own_roots(), flatpak_root()]
    return [Profile(root, name) for root in roots for name in _names(root)]


def choose_profiles(name: str = DEFAULT, profiles_path: Path | None = None) -> list[Profile]:
    """Profiles of this name: one for each QGIS of the user that has it.

    Parameters
    ----------
    name : of the profile.
    profiles_path : folder that holds ``profiles``, as QGIS's own option of that name takes it, or
        that folder itself; None where QGIS looks for it.

    Raises
    ------
    OptionError
        When no QGIS has a profile of this name; the default one need not be there yet.
    """
    roots = own_roots() if profiles_path is None else [_given(profiles_path)]
    used = {root: names for root in roots if (names := _names(root))}
    if not used and name == DEFAULT:
        return [Profile(roots[0], name)]
    found = [Profile(root, name) for root, names in used.items() if name in names]
    if found:
        return found
    where = " and ".join(str(root) for root in used or roots)
    if not used:
        raise OptionError(
            f"There is no QGIS profile {name!r}: {where} holds none, so QGIS was never started; start it "
            f"once, or leave `profile=` out."
        )
    listed = ", ".join(sorted({known for names in used.values() for known in names}))
    raise OptionError(
        f"There is no QGIS profile {name!r} in {where}; there are: {listed}. Name one of them with "
        f"`profile=`."
    )


def _given(path: Path) -> Path:
    folder = path.absolute()
    below = folder / "profiles"
    return folder if folder.name == "profiles" and not below.is_dir() else below


def _names(root: Path) -> list[str]:
    try:
        return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        return []
