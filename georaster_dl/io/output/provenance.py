"""Provenance tags of a raster: its input, model and parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from georaster_dl import __version__
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.scene import Scene

__all__ = [
    "feature_source",
    "fraction_bands",
    "fractions_tags",
    "joined_tags",
    "labels_of",
    "labels_tags",
    "provenance",
    "rejected_tags",
    "rejected_value",
    "tags_of",
    "trained_on",
]

_LABELS, _LABELS_SHA256 = "GEORASTER_DL_LABELS", "GEORASTER_DL_LABELS_SHA256"
_REJECTED = "GEORASTER_DL_REJECTED"
_FRACTIONS = "GEORASTER_DL_FRACTIONS"
_REJECTED_VALUE = re.compile(r"value=(\d{1,5})(?: |$)")


def provenance(
    scene: Scene, given: SceneOptions, *, model: str, parameters: Mapping[str, Any]
) -> dict[str, str]:
    """Tags for the outputs of a run.

    Parameters
    ----------
    scene : with the bands that were used.
    given : what the user said of it.
    model : what made the output.
    parameters : of the run; those that are None are left out.
    """
    files = dict.fromkeys(Path(plane.path).name for plane in scene.planes)
    lengths = given.wavelengths
    stated = {
        "nodata": given.nodata,
        "scale": given.scale,
        "offset": given.offset,
        "mask": given.mask,
        "wavelengths": lengths and f"{min(lengths):g}-{max(lengths):g}nm",
    }
    said = {**parameters, **stated}
    return {
        "GEORASTER_DL_VERSION": __version__,
        "GEORASTER_DL_MODEL": model,
        "GEORASTER_DL_INPUT": Path(scene.name).name,
        "GEORASTER_DL_INPUT_FILES": " ".join(files),
        "GEORASTER_DL_INPUT_BANDS": ",".join(band.name for band in scene.bands),
        "GEORASTER_DL_PARAMETERS": " ".join(
            f"{key}={value}" for key, value in said.items() if value is not None
        ),
        "TIFFTAG_DATETIME": datetime.now(UTC).strftime("%Y:%m:%d %H:%M:%S"),
        "TIFFTAG_SOFTWARE": f"georaster_dl {__version__}",
    }


def labels_tags(training: Mapping[str, str]) -> dict[str, str]:
    """Make the tags of the labels that a model was trained on, from its card."""
    named = {_LABELS: training.get("labels"), _LABELS_SHA256: training.get("labels_sha256")}
    return {tag: value for tag, value in named.items() if value}


def rejected_tags(value: int, **limits: float) -> dict[str, str]:
    """Make the tag of a map whose uncertain pixels are a class of their own.

    Parameters
    ----------
    value : of that class.
    limits : of certainty, by name: share of the validation ground that was to keep its class, probability of
        the mapped class below which a pixel is uncertain.
    """
    stated = [f"value={value}", *(f"{name}={limit:.6g}" for name, limit in limits.items())]
    return {_REJECTED: " ".join(stated)}


def tags_of(path: Path) -> dict[str, str]:
    """Read the tags of a raster."""
    with open_dataset(str(path)) as dataset:
        tags: dict[str, str] = dataset.tags()
    return tags


def rejected_value(path: Path) -> int | None:
    """Read the value of the class of a map's uncertain pixels; None where it has none."""
    found = _REJECTED_VALUE.match(tags_of(path).get(_REJECTED, ""))
    return int(found[1]) if found else None


def fractions_tags(bands: int) -> dict[str, str]:
    """Make the tag of a map whose first bands are the fractions of a pixel."""
    return {_FRACTIONS: str(bands)}


def fraction_bands(tags: Mapping[str, str]) -> int:
    """Read from a map's tags how many of its first bands are fractions; 0 where it does not say."""
    stated = tags.get(_FRACTIONS, "")
    return int(stated) if re.fullmatch(r"\d{1,4}", stated) else 0


def joined_tags(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Join the tags of labels, of uncertain pixels and of fractions of the maps of a mosaic."""
    return labels_of(tags) | {tag: _joined(tags, tag) for tag in (_REJECTED, _FRACTIONS)}


def labels_of(tags: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Join the tags of the labels of several maps."""
    return {tag: _joined(tags, tag) for tag in (_LABELS, _LABELS_SHA256)}


def _joined(tags: Sequence[Mapping[str, str]], tag: str) -> str:
    parts = [part for one in tags for part in one.get(tag, "").split(", ") if part]
    return ", ".join(dict.fromkeys(parts))


def trained_on(path: Path) -> tuple[list[str], list[str]]:
    """Names and digests of the labels that the model of a map was trained on, as far as it says."""
    tags = tags_of(path)
    names, digests = (tags.get(tag, "").split(", ") for tag in (_LABELS, _LABELS_SHA256))
    return names, [digest for digest in digests if digest]


def feature_source(scene: Scene) -> str:
    """Model and layer that made a raster of features; empty for any other raster.

    ``feat_01`` of one model and of another, or of the same one trained again, have nothing in common.
    """
    with scene.open_pixels(scene.planes[0].path) as dataset:
        tags = dataset.tags()
    if tags.get("GEORASTER_DL_CONTENT") != "features":
        return ""
    weights = tags.get("GEORASTER_DL_MODEL_SHA256", "")[:12]
    return f"{tags.get('GEORASTER_DL_MODEL', '')} ({weights}), layer {tags.get('GEORASTER_DL_LAYER', '')}"
