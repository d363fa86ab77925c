"""Texts that name several files of one scene, joined by ``+``: ``ortho.tif+height.tif``."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from georaster_dl.core.errors import SceneError

__all__ = ["expand_joined", "is_pattern", "split_joined"]

_JOINT = "+"
_MOST_PARTS = 64
_WILD = "*?["


def split_joined(text: str, folder: Path | None = None) -> tuple[str, ...]:
    """Split the text of a scene into the paths and addresses of its files.

    A path is a path: where a file of the whole text exists, or of a part with ``+`` in its name, it is
    that file. An address goes on to the next ``+`` behind which another file or address begins.

    Parameters
    ----------
    folder : that relative paths start from; the working folder where None.

    Returns
    -------
    The text as it is where it names no several files.
    """
    parts = text.split(_JOINT)
    if not 1 < len(parts) <= _MOST_PARTS:
        return (text,)
    start = folder or Path()
    found = _split(parts, start)
    if found is not None:
        return found
    # So that an error is of the file that is missing.
    some_exist = any(part and _exists(start / part) for part in parts)
    return tuple(parts) if some_exist and all(parts) else (text,)


def _split(parts: Sequence[str], folder: Path) -> tuple[str, ...] | None:
    if not parts:
        return ()
    heads = [_JOINT.join(parts[: n + 1]) for n in range(len(parts))]
    files = [n for n in reversed(range(len(heads))) if heads[n] and _exists(folder / heads[n])]
    for n in (*files, *(n for n, head in enumerate(heads) if _is_address(head))):
        rest = _split(parts[n + 1 :], folder)
        if rest is not None:
            return heads[n], *rest
    return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _is_address(text: str) -> bool:
    """Return whether this is an address, or a name that only GDAL knows; a drive's colon is none."""
    return (":" in text[2:] or text.startswith("/vsi")) and text.count('"') % 2 == 0


def is_pattern(text: str) -> bool:
    """Whether a text has wildcards and is no existing path."""
    return any(mark in text for mark in _WILD) and not _exists(Path(text))


def expand_joined(pattern: str) -> list[str]:
    """List the scenes that a pattern of several files means, in the order of their first files.

    What ``*`` means in the name of the first file, it means in those of the others: ``rgb/*.tif+dsm/*_dsm.tif``.
    A file without ``*`` goes with every scene.

    Returns
    -------
    Texts with the files of a scene each; those of a pattern without ``+`` are single files.

    Raises
    ------
    SceneError
        When the patterns cannot be paired, or a file is missing.
    """
    whole = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - it leaves out what is hidden
    first, *others = pattern.split(_JOINT)
    if whole or not others:
        return whole
    wild = [text for text in (first, *others) if any(mark in text for mark in _WILD)]
    if first not in wild or any(text.count("*") != 1 or set("?[") & set(text) for text in wild):
        raise SceneError(
            f"{pattern} does not say which files belong together; write one * in the first name, and in the others "
            f"where the same text stands (rgb/*.tif+dsm/*_dsm.tif), or list the scenes in a .txt, one a line."
        )
    before, after = first.split("*")
    scenes = []
    for path in sorted(glob.glob(first)):  # noqa: PTH207
        meant = path[len(before) : len(path) - len(after)]
        files = [path, *(other.replace("*", meant) for other in others)]
        missing = [file for file in files if not _exists(Path(file)) and not _is_address(file)]
        if missing:
            raise SceneError(
                f"{missing[0]} does not exist, which {pattern} pairs with {path}; add it, or list the scenes in a "
                f".txt, one a line."
            )
        scenes.append(_JOINT.join(files))
    return scenes
