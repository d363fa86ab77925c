"""Pairs of scenes and labels, from paths, patterns, folders or a CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from georaster_dl.core.errors import OptionError
from georaster_dl.io.files.joined import expand_joined, is_pattern, split_joined
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.files.text_file import read_text
from georaster_dl.io.vectors.layers import is_vector

__all__ = ["SceneWithLabels", "expanded_scenes", "find_pairs", "find_scenes", "read_pairs"]


@dataclass(frozen=True)
class SceneWithLabels:
    """A scene (a path or an address, or several of one scene joined by ``+``), its labels, and the part of the split that a list of scenes gives it.

    An autoencoder learns from scenes without labels.
    """

    scene: str
    labels: Path | None
    part: str | None = None


def find_pairs(scenes: Sequence[str], labels: Path) -> list[SceneWithLabels]:
    """SceneWithLabels scenes with labels.

    Parameters
    ----------
    scenes : paths, addresses, or patterns such as ``"scenes/*.tif"``.
    labels : a file that serves every scene, or a folder with a file of each scene's name in it.

    Raises
    ------
    OptionError
        When a pattern finds nothing, or a scene has no labels in the folder, or several.
    """
    paths = expanded_scenes(scenes)
    if not file_of(labels).exists():
        raise OptionError(f"The labels {labels} do not exist; check the path.")
    if not labels.is_dir() or is_vector(labels):
        return [SceneWithLabels(path, labels) for path in paths]
    return [SceneWithLabels(path, _namesake(path, labels)) for path in paths]


def find_scenes(scenes: Sequence[str]) -> list[SceneWithLabels]:
    """Scenes without labels, by paths, addresses, or patterns.

    Raises
    ------
    OptionError
        When a pattern finds nothing.
    """
    return [SceneWithLabels(path, None) for path in expanded_scenes(scenes)]


def expanded_scenes(scenes: Sequence[str]) -> list[str]:
    """List the scenes that paths, addresses and patterns name, in their order.

    Raises
    ------
    OptionError
        When a pattern finds nothing.
    """
    return [path for scene in scenes for path in _expanded(scene)]


def read_pairs(path: Path, column: str, *, labelled: bool = True) -> list[SceneWithLabels]:
    """Pairs from a CSV with the columns ``scene`` and ``label``; paths are relative to the CSV.

    Parameters
    ----------
    column : name of the column with each scene's part; it need not be there.
    labelled : whether labels are wanted; without them, the column ``label`` need not be there.

    Raises
    ------
    OptionError
        When a column is missing, a line lacks a value, or a file is not there.
    """
    try:
        text = read_text(path)
        header = text.partition("\n")[0]
        delimiter = next((mark for mark in ";\t" if mark in header), ",")
        lines = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))
    except (OSError, UnicodeError, csv.Error) as error:
        raise OptionError(f"The list {path} cannot be read ({error}); give a CSV file.") from error
    wanted = ["scene", "label"] if labelled else ["scene"]
    if not lines or not set(wanted) <= set(lines[0]):
        columns = ", ".join(lines[0]) if lines else "no line"
        raise OptionError(
            f"The list {path} needs the column{'s' * labelled} {' and '.join(wanted)}, but has {columns}; "
            f"its first line must be the columns' names."
        )
    return [_pair(path, number, line, column, wanted) for number, line in enumerate(lines, start=2)]


def _pair(
    path: Path, number: int, line: dict[str, str | None], column: str, wanted: Sequence[str]
) -> SceneWithLabels:
    if not all(line[key] for key in wanted):
        lacking = " or ".join(f"a {key}" for key in wanted)
        raise OptionError(f"Line {number} of {path} lacks {lacking}; fill it in.")
    scene, labels = line["scene"] or "", line["label"] if "label" in wanted else None
    parts = split_joined(scene, path.parent)
    scene = "+".join(part if _is_address(part) else str(path.parent / part) for part in parts)
    file = path.parent / labels if labels else None
    if file is not None and not file_of(file).exists():
        raise OptionError(
            f"Line {number} of {path} names the labels {labels}, which are not at {file}; paths "
            f"are relative to the list."
        )
    return SceneWithLabels(scene, file, (line.get(column) or "").strip() or None)


def _is_address(path: str) -> bool:
    return "://" in path or path.startswith("/vsi")


def _expanded(scene: str) -> list[str]:
    if not is_pattern(scene):
        return [scene]
    paths = expand_joined(scene)
    if not paths:
        raise OptionError(f"No file matches {scene!r} (now in {Path.cwd()}); check the pattern.")
    return paths


def _namesake(scene: str, folder: Path) -> Path:
    """Find the label file in ``folder`` with the scene's name and any extension."""
    stem = Path(split_joined(scene)[0]).stem
    files = [p for p in sorted(folder.iterdir()) if p.stem == stem and _is_labels(p)]
    if len(files) != 1:
        names = ", ".join(p.name for p in files) or "none"
        raise OptionError(
            f"The folder {folder} must hold one label file called {stem}.* for {scene}, but has "
            f"{names}; name them alike, or list the pairs in a CSV."
        )
    return files[0]


def _is_labels(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() not in {
        ".xml", ".qml", ".prj", ".dbf", ".shx", ".cpg", ".qmd", ".csv", ".ovr", ".hdr", ".json",
    }  # fmt: skip
