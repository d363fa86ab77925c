"""``geodl info``: show a scene's contents, and whether a model fits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.bands import MOST_NAMED
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted, listed

from ..options.shared import (
    debug_option,
    json_option,
    model_option,
    scene_argument,
    scene_options,
)
from ..terminal.hints import with_options

if TYPE_CHECKING:
    from georaster_dl.io.scenes.checks.registration import FileShift
    from georaster_dl.io.scenes.scene import Scene
    from georaster_dl.models.package.card import Card

__all__ = ["info"]

_MOST_BANDS = 20


@click.command()
@scene_argument
@model_option()
@scene_options
@json_option
@debug_option
def info(scene: tuple[str, ...], model: str | None, reading: SceneOptions, as_json: bool) -> None:
    """Show a scene's bands, wavelengths, nodata and resolution.

    With a model: whether it fits, how much of the scene is unlike its training and why, and how many
    tiles, how much memory and time a run would take.
    Without: which bundled model geodl segment would take.
    """
    from georaster_dl.io.scenes.checks.calibration import (
        alpha_warning,
        calibration_warning,
        zeros_warning,
    )
    from georaster_dl.io.scenes.checks.registration import file_shifts, shift_warnings
    from georaster_dl.io.scenes.empty_bands import without_empty_bands
    from georaster_dl.io.scenes.reader import open_scene
    from georaster_dl.models.package.file import find_model
    from georaster_dl.predict.matching.estimate import nodata_share

    package = None if model is None else find_model(model)
    opened = open_scene(scene, reading)
    filled = without_empty_bands(opened)
    nodata = nodata_share(filled)
    facts = _scene_facts(opened) | {"nodata_share": nodata.share, "nodata_exact": nodata.exact}
    calibration = calibration_warning(filled)
    shifts = file_shifts(filled)
    doubts = [
        *filled.remarks,
        *shift_warnings(shifts),
        alpha_warning(opened),
        zeros_warning(filled),
        calibration,
    ]
    if nodata.exact and nodata.share == 1:
        doubts.append(f"{opened.name} has no valid pixel: check --nodata, --bands and --mask")
    facts["warnings"] = [with_options(doubt) for doubt in doubts if doubt is not None]
    facts["registration"] = [asdict(shift) for shift in shifts]
    opened = filled
    if not as_json:
        _print(facts, shifts)  # also where the model turns out not to fit: then it is needed most
    if package is None:
        facts["choice"] = _choice(opened, doubtful=calibration is not None)
    else:
        facts["model"] = _model_facts(opened, package, doubtful=calibration is not None)
    if as_json:
        click.echo(json.dumps(facts))
    elif package is None:
        _print_choice(facts["choice"])
    else:
        _print_model(facts["model"])


def _scene_facts(scene: Scene) -> dict[str, Any]:
    rows, cols = scene.shape
    crs = scene.geobox.crs
    return {
        "scene": scene.name,
        "note": scene.note,
        "rows": rows,
        "cols": cols,
        "dtype": str(scene.dtype),
        "crs": None if crs is None else _crs_name(crs),
        "resolution_m": scene.resolution_m,
        "bands": [
            asdict(p.band)
            | {"scale": p.scale, "offset": p.offset, "calibrated": p.calibrated, "nodata": p.nodata}
            for p in scene.planes
        ],
    }


def _crs_name(crs: Any) -> str:
    return f"EPSG:{crs.epsg}" if crs.epsg else visible(str(crs.proj.name))


def _choice(scene: Scene, *, doubtful: bool) -> dict[str, str | None]:
    """The bundled model that a run would take, or the reason why none."""
    from georaster_dl.core.errors import BandMismatchError
    from georaster_dl.predict.matching.default_model import choose_model

    try:
        card = choose_model(scene)[1].card
    except BandMismatchError as error:
        reason = with_options(str(error)).replace(scene.name, "the scene").partition(". ")[0]
        return {"model": None, "version": None, "reason": reason}
    if doubtful:  # as geodl segment refuses it
        reason = (
            f"its values cannot be right (see the warning); -m {card.name} maps it all the same"
        )
        return {"model": None, "version": None, "reason": reason}
    return {"model": card.name, "version": card.version, "reason": None}


def _model_facts(scene: Scene, package: Path, *, doubtful: bool) -> dict[str, Any]:
    from georaster_dl.core.process import available_memory
    from georaster_dl.models.package.file import read_card
    from georaster_dl.models.package.limitations import absent_bands_warning
    from georaster_dl.predict.engine.tiling_plan import TilingRequest, make_plan, tile_context
    from georaster_dl.predict.matching.estimate import estimated_seconds
    from georaster_dl.predict.matching.scene_match import check_quantities, match_scene
    from georaster_dl.predict.matching.scene_novelty import novelty_warning, scene_novelty

    card: Card = read_card(package)
    match = match_scene(scene, card)
    check_quantities(match)
    request = TilingRequest(scene.shape, match.card, tile_context(match.card))
    plan = make_plan(request, memory=available_memory())
    novelty = scene_novelty(match)
    doubts = (
        None if doubtful else novelty_warning(novelty, match.card),  # of the same cause
        absent_bands_warning(match.absent, match.card.absent_bands),
    )
    return {
        "name": card.name,
        "task": card.task,
        "bands": [
            band.name if band.name == wanted.name else f"{band.name} as {wanted.name}"
            for band, wanted in zip(match.scene.bands, match.card.bands, strict=True)
        ],
        "absent": list(match.absent),
        "novelty": None if novelty is None else round(novelty.share, 4),
        "fault": doubtful or (novelty is not None and novelty.fault),
        "warnings": [with_options(doubt) for doubt in doubts if doubt is not None],
        "tiles": len(plan.tiling),
        "tile": list(plan.tiling.tile_shape),
        "halo": plan.tiling.halo,
        "memory_mib": round(plan.memory / 2**20),
        "cpu_seconds": round(estimated_seconds(plan, match.card), 1),
    }


def _print(facts: dict[str, Any], shifts: Sequence[FileShift]) -> None:
    size = facts["resolution_m"]
    click.echo(visible(facts["scene"] + (f"  ({facts['note']})" if facts["note"] else "")))
    click.echo(
        f"{facts['rows']} x {facts['cols']} pixels, {counted(len(facts['bands']), 'band')} {facts['dtype']}, "
        f"{facts['crs'] or 'no CRS'}, {'resolution unknown' if size is None else f'{size:.4g} m'}"
    )
    about = "" if facts["nodata_exact"] else "about "
    click.echo(f"nodata {about}{100 * facts['nodata_share']:.1f} %")
    told = ["unit", *(k for k in ("modality", "gsd_m") if len({b[k] for b in facts["bands"]}) > 1)]
    for number, band in enumerate(facts["bands"][:_MOST_BANDS], start=1):
        click.echo(_band_line(number, band, told))
    if len(facts["bands"]) > _MOST_BANDS:
        click.echo(f"  ... and {len(facts['bands']) - _MOST_BANDS} more (--json lists all)")
    for shift in shifts:
        click.echo(f"{shift}")
    for warning in facts["warnings"]:
        click.echo(f"warning: {warning}")


def _band_line(number: int, band: dict[str, Any], told: Sequence[str]) -> str:
    """Describe a band in a line.

    Parameters
    ----------
    told : those of modality, unit and gsd_m that are shown.
    """
    wave = "" if band["wavelength_nm"] is None else f"  {band['wavelength_nm']:.1f} nm"
    if (band["scale"], band["offset"]) != (1.0, 0.0):
        offset = f" {band['offset']:+g}" if band["offset"] else ""
        meaning = f"  value = {band['scale']:g} x number{offset}"
    else:
        meaning = "" if band["calibrated"] else "  uncalibrated numbers"
    nodata = "" if band["nodata"] is None else f"  nodata {band['nodata']:g}"
    kind = "".join(f"  {band[k]}" for k in ("modality", "unit") if k in told and band[k])
    sized = "gsd_m" in told and band["gsd_m"] is not None
    kind += f"  {band['gsd_m']:.4g} m a pixel" if sized else ""
    bad = "" if band["good"] else "  bad band"
    return f"  {number:3d}  {band['name']}{wave}{kind}{meaning}{nodata}{bad}"


def _print_choice(choice: dict[str, str | None]) -> None:
    if choice["model"] is None:
        click.echo(f"geodl segment would take no model: {choice['reason']}")
    else:
        click.echo(f"geodl segment would take {choice['model']} {choice['version']}")


def _print_model(facts: dict[str, Any]) -> None:
    rows, cols = facts["tile"]
    without = f", without {', '.join(facts['absent'])}" if facts["absent"] else ""
    click.echo(f"{facts['name']} fits, reading {listed(facts['bands'], MOST_NAMED)}{without}")
    # A fault of all values may leave each of them possible: the share would contradict its warning.
    if facts["novelty"] is not None and not facts["fault"]:
        click.echo(f"{100 * facts['novelty']:.0f} % of the pixels are unlike its training")
    for warning in facts["warnings"]:
        click.echo(f"warning: {warning}")
    click.echo(
        f"{counted(facts['tiles'], 'tile')} of {rows} x {cols} with a halo of {facts['halo']}, about "
        f"{facts['memory_mib']} MiB beside the program itself, about {facts['cpu_seconds']:.0f} s of computing on this CPU"
    )
