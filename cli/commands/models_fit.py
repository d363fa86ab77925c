"""``geodl models fit``: find the models that can map a scene."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.core.text import visible

from ..options.completion import complete_models
from ..options.shared import debug_option, json_option, scene_argument, scene_options
from ..terminal.hints import with_options

if TYPE_CHECKING:
    from georaster_dl.io.scenes.scene import Scene

__all__ = ["fit_command"]


@click.command("fit")
@scene_argument
@click.option(
    "-m",
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    shell_complete=complete_models,
    help="Model package to try before the bundled ones; may be repeated.",
)
@scene_options
@json_option
@debug_option
def fit_command(
    scene: tuple[str, ...], models: tuple[str, ...], reading: SceneOptions, as_json: bool
) -> None:
    """Find the models that can map SCENE, by its bands, units and resolution.

    Those of -m are tried, then the bundled ones, the demonstration model last.

    \b
    geodl models fit scene.tif
    geodl models fit scene.tif -m mine.safetensors -m older.safetensors
    """
    from georaster_dl.io.scenes.empty_bands import without_empty_bands
    from georaster_dl.io.scenes.reader import open_scene
    from georaster_dl.predict.matching.default_model import bundled_by_use

    opened = without_empty_bands(open_scene(scene, reading))
    named: dict[str, str | Path] = {name: name for name in models}
    rows = [_row(name, path, opened) for name, path in (named | bundled_by_use()).items()]
    if as_json:
        click.echo(json.dumps(rows))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        how = "" if row["by_name"] else ", by wavelengths alone"
        said = f"fits ({row['task']}{how})" if row["fits"] else row["reason"]
        click.echo(visible(f"{row['name']:<{width}}  {said}"))


def _row(name: str, path: str | Path, scene: Scene) -> dict[str, Any]:
    """Judge whether a model fits a scene; an unreadable file does not."""
    from georaster_dl.core.errors import GeoRasterError
    from georaster_dl.models.package.file import find_model, read_card
    from georaster_dl.predict.matching.default_model import misfit, named_alike

    try:
        card = read_card(find_model(path))
    except GeoRasterError as error:
        task, alike, reason = None, False, str(error)
    else:
        task, alike, reason = card.task, named_alike(scene, card), misfit(scene, card) or ""
    said = with_options(reason).partition(". ")[0] or None
    return {"name": name, "task": task, "fits": not reason, "by_name": alike, "reason": said}
