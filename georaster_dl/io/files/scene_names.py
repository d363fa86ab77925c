"""Names of scenes, of which the names of their outputs are made."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlparse

from georaster_dl.core.errors import OptionError
from georaster_dl.io.files.joined import split_joined

__all__ = ["distinct_names", "file_name", "scene_stem"]

# What some file system or other refuses in a name.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\ud800-\udfff]')
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)
# Outputs add to a name what they are (_landcover_confidence.tif.aux.xml); file systems take 255 bytes,
# some of them 143.
_LONGEST_NAME = 160


def scene_stem(scene: str) -> str:
    """Name of a scene (a path or an address; of several joined, the first) without its folder and ending."""
    return _path(split_joined(scene)[0]).absolute().stem or "scene"


def file_name(name: str) -> str:
    """Name that any file system takes, with room for endings.

    What cannot stand in a file's name is replaced by ``_``; a name too long is cut, and ends in a digest
    of all of it.
    """
    plain = _FORBIDDEN.sub("_", name).strip(" .") or "scene"
    if _DEVICE.fullmatch(plain):
        return f"{plain}_"
    if len(plain.encode()) <= _LONGEST_NAME:
        return plain
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    kept = plain.encode()[: _LONGEST_NAME - 9].decode(errors="ignore")
    return f"{kept}_{digest}"


def distinct_names(scenes: Sequence[str], stated: Sequence[str]) -> list[str]:
    """A name for each scene, usable as a file's name: the stated one, or else its stem.

    Where two have the same stem, the name of the folder comes before it.

    Parameters
    ----------
    scenes : path or address of each.
    stated : what its name shall be; empty where nobody said.

    Raises
    ------
    OptionError
        When two scenes would still have the same name, or have it but for lower and upper case.
    """
    pairs = list(zip(scenes, stated, strict=True))
    names = [file_name(said or scene_stem(scene)) for scene, said in pairs]
    times = Counter(name.casefold() for name in names)
    names = [
        name if said or times[name.casefold()] == 1 else _with_folder(scene, name)
        for name, (scene, said) in zip(names, pairs, strict=True)
    ]
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        other = first.setdefault(name.casefold(), i)
        if other != i:
            raise _same_name(pairs[other], pairs[i], name)
    return names


def _same_name(one: tuple[str, str], other: tuple[str, str], name: str) -> OptionError:
    (scene, said), (other_scene, other_said) = one, other
    if said and other_said:
        return OptionError(
            f"The names {said} (of {scene}) and {other_said} (of {other_scene}) would give files of the "
            f"same name; names must differ in more than upper and lower case, and in what a file's name "
            f"can hold."
        )
    return OptionError(
        f"The outputs of {scene} and {other_scene} would have the same name, {name}; give a name for "
        f"{other_scene if said else scene} in a .csv with the columns scene and name."
    )


def _with_folder(scene: str, name: str) -> str:
    folder = _path(scene).absolute().parent.name
    return file_name(f"{folder}_{name}") if folder else name


def _path(scene: str) -> Path:
    # An address's query is no part of its name.
    return Path(urlparse(scene).path if "://" in scene else scene)
