"""Where the command that the plugin starts is."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from georaster_dl.core.errors import OptionError

__all__ = ["find_geodl"]


def find_geodl(given: Path | None = None) -> Path:
    """Find the absolute path of this installation's command ``geodl``, or of a given path.

    Raises
    ------
    OptionError
        When there is none.
    """
    if given is not None:
        if not given.is_file() or not os.access(given, os.X_OK):
            raise OptionError(
                f"{given} cannot be run; `geodl=` takes the path of the command geodl."
            )
        return given.absolute()
    name = "geodl.exe" if os.name == "nt" else "geodl"
    started = Path(sys.argv[0])
    places = [
        *([started.with_name(name)] if started.stem == "geodl" and started.is_absolute() else []),
        Path(sysconfig.get_path("scripts")) / name,
        Path(sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))) / name,
    ]
    for place in places:
        if place.is_file():
            return place.absolute()
    listed = ", ".join(str(place) for place in places)
    raise OptionError(f"The command geodl was not found ({listed}); give its path (`geodl=`).")
