"""HTML page of a batch: failures, then every map beside its scene."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from georaster_dl.batches.report.failures import by_error
from georaster_dl.batches.report.row import SceneRow
from georaster_dl.batches.report.text import (
    colours,
    duration,
    mix,
    moment,
    options_line,
    pixel_count,
    value_lines,
)
from georaster_dl.core.errors import SceneError
from georaster_dl.core.legend import color_hex
from georaster_dl.evaluation.report.text import number, percent
from georaster_dl.io.labels.raster import stated_classes
from georaster_dl.render.colors import VIRIDIS
from georaster_dl.render.html import render_page
from georaster_dl.render.palette import choose_colors
from georaster_dl.render.thumbnails import Meaning, Thumbnail

__all__ = ["QUICKLOOKS", "Pictures", "page", "relative"]

QUICKLOOKS = "quicklooks"
"""Folder of the pictures, beside the page."""


class Pictures(NamedTuple):
    """The pictures of a row; None where there is none."""

    map: Thumbnail | None
    scene: Thumbnail | None


def relative(folder: Path, row: SceneRow) -> str:
    """Path of the output relative to the folder; empty where there is none."""
    if row.output is None or not row.finished:
        return ""
    return Path(os.path.relpath(row.output, folder)).as_posix()


def page(
    folder: Path,
    rows: Sequence[SceneRow],
    facts: Mapping[str, Any],
    pictures: Mapping[str, Pictures],
) -> str:
    """Render the HTML page of a folder; parameters are those of ``report.write_report``.

    Parameters
    ----------
    pictures : by the names of the rows.
    """
    finished = [row for row in rows if row.finished]
    counts: Counter[str] = Counter()
    for row in finished:
        counts.update(row.record.get("classes", {}))
    names = [name for name, _ in counts.most_common()]
    places = {name: i for i, name in enumerate(names)}
    times = Counter[str](row.status for row in rows)
    content = {
        "title": ": ".join(filter(None, [folder.absolute().name, facts.get("model", "")])),
        "facts": _told(facts),
        "options": options_line(facts.get("parameters", {})),
        "cards": _cards(finished, times),
        "colors": _colors(finished, names),
        "legend": mix(counts, places),
        "gaps": any(row.valid_share < 1 for row in finished),
        "failures": by_error(rows),
        "alarms": ["Failed"] if times["failed"] else [],
        "waiting": [row.name for row in rows if row.status == "not run"],
        "scenes": [
            _scene(folder, row, pictures.get(row.name, Pictures(None, None)))
            | {"mix": mix(row.record.get("classes", {}), places)}
            for row in finished
        ],
        "pairs": any(pair.scene for pair in pictures.values()),
        "shown": _shown([pair.scene.meaning.bands for pair in pictures.values() if pair.scene]),
        "ramps": _ramps([pair.map.meaning for pair in pictures.values() if pair.map]),
        "viridis": ", ".join(VIRIDIS),
    }
    return render_page("georaster_dl.batches.report", "batch.html", content)


def _told(facts: Mapping[str, Any]) -> list[str]:
    told = [moment(str(facts["started"]))] if facts.get("started") else []
    return told + ([duration(facts["seconds"])] if "seconds" in facts else [])


def _shown(bands: Sequence[tuple[str, ...]]) -> str:
    """How the scenes are shown, where it is the same for all."""
    return colours(bands[0]) if len(set(bands)) == 1 else ""


def _ramps(meanings: Sequence[Meaning]) -> list[dict[str, Any]]:
    """Colour bars: each quantity with the values shown darkest, in the middle, and brightest."""
    scales = {one.quantity: one.limits for one in meanings if one.limits is not None}
    return [
        {"name": name, "ticks": [f"{value:.4g}" for value in (low, (low + high) / 2, high)]}
        for name, (low, high) in scales.items()
    ]


def _cards(finished: Sequence[SceneRow], times: Mapping[str, int]) -> list[tuple[str, str, str]]:
    """List the headline figures: label, figure, and explanation."""
    pixels = sum(row.record.get("pixels", 0) for row in finished)
    valid = sum(row.record.get("valid_pixels", 0) for row in finished)
    share = valid / pixels if pixels else float("nan")
    return [
        ("Done", number(times["done"]), "scenes in this run"),
        ("Skipped", number(times["skipped"]), "done by an earlier run"),
        ("Failed", number(times["failed"]), "reasons below" if times["failed"] else ""),
        ("Not run", number(times["not run"]), "the batch ended before" if times["not run"] else ""),
        ("Pixels", pixel_count(pixels).removesuffix(" pixels"), f"{percent(share)} % with data"),
    ]


def _colors(finished: Sequence[SceneRow], names: Sequence[str]) -> list[str]:
    """CSS colours of the classes, as the first map that can be read has them."""
    known: dict[str, tuple[int, int, int]] = {}
    for row in finished:
        if row.output is not None and row.output.is_file():
            try:
                known = {entry.name: entry.color for entry in stated_classes(row.output)}
            except SceneError:
                continue
            break
    colors = choose_colors(names, [known.get(name) for name in names])
    return [color_hex(color) for color in colors]


def _scene(folder: Path, row: SceneRow, pictures: Pictures) -> dict[str, Any]:
    return {
        "name": row.name,
        "path": row.source,
        "skipped": row.status == "skipped",
        "warnings": row.warnings,
        "href": quote(relative(folder, row)),
        "map": _picture(pictures.map),
        "view": _picture(pictures.scene),
        "values": value_lines(row.record.get("values", {})),
        "pixels": pixel_count(row.record.get("pixels", 0)),
        "valid": percent(row.valid_share),
        "seconds": duration(row.record["seconds"]) if "seconds" in row.record else "",
    }


def _picture(picture: Thumbnail | None) -> dict[str, Any] | None:
    if picture is None:
        return None
    width, height = picture.size
    return {
        "source": f"{QUICKLOOKS}/{quote(picture.path.name)}",
        "width": width,
        "height": height,
        "shape": "wide" if width > height else "tall",
        "colours": colours(picture.meaning.bands),
        "quantity": picture.meaning.quantity,
    }
