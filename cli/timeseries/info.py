"""``geodl timeseries info``: show the dates, bands and clear pixels of a stack, and whether a model fits."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.bands import MOST_NAMED
from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted, listed

from ..options.shared import debug_option, json_option, model_option
from ..options.stacks import StackArguments, stack_options
from ..terminal.hints import with_options

if TYPE_CHECKING:
    from georaster_dl.io.stacks.clear import ClearShares
    from georaster_dl.io.stacks.stack import StackSensor, TimeStack
    from georaster_dl.models.package.card import Card

__all__ = ["info"]

_MOST_DATES = 40  # that are printed, without --json


@click.command()
@stack_options
@model_option()
@json_option
@debug_option
def info(stack: StackArguments, model: str | None, as_json: bool) -> None:
    """Show the dates, bands, grid and clear pixels of a stack.

    With a model: whether its sensors and bands are there, and whether dates and masks are like those of its
    training.

    \b
    geodl timeseries info scenes/ --mask SCL
    geodl timeseries info --sensor s1=radar/ --sensor s2=optical/ -m crops.safetensors
    """
    from georaster_dl.io.stacks.clear import clear_shares

    opened = stack.open()
    clear = clear_shares(opened)
    facts = _facts(opened, clear)
    if not as_json:
        _print(facts)  # also where the model turns out not to fit: then it is needed most
    if model is not None:
        facts["model"] = _model_facts(opened, clear, model)
    if as_json:
        click.echo(json.dumps(facts))
    elif model is not None:
        _print_model(facts["model"])


def _facts(stack: TimeStack, clear: ClearShares) -> dict[str, Any]:
    from georaster_dl.core.geography import crs_name

    rows, cols = stack.shape
    return {
        "stack": stack.name,
        "rows": rows,
        "cols": cols,
        "crs": None if stack.geobox.crs is None else crs_name(stack.geobox.crs),
        "resolution_m": stack.resolution_m,
        "calibrated": stack.calibrated,
        "mask": stack.mask,
        "sensors": [
            _sensor_facts(sensor, shares)
            for sensor, shares in zip(stack.sensors, clear.sensors, strict=True)
        ],
        "clear_dates": [clear.fewest, clear.most],
        "clear_exact": clear.exact,
        "warnings": [with_options(remark) for remark in stack.remarks],
    }


def _sensor_facts(sensor: StackSensor, shares: Any) -> dict[str, Any]:
    days = sensor.dates
    gaps = [(later - day).days for day, later in pairwise(days)]
    longest = max(range(len(gaps)), key=gaps.__getitem__) if gaps else None
    return {
        "name": sensor.name,
        "dates": [
            {"date": day.isoformat(), "clear": round(float(share), 4)}
            for day, share in zip(days, shares, strict=True)
        ],
        "median_gap_days": sorted(gaps)[len(gaps) // 2] if gaps else None,
        "longest_gap": None
        if longest is None
        else {"days": gaps[longest], "after": days[longest].isoformat()},
        "bands": [asdict(band) for band in sensor.bands],
    }


def _print(facts: dict[str, Any]) -> None:
    size = facts["resolution_m"]
    click.echo(visible(facts["stack"]))
    click.echo(
        f"{facts['rows']} x {facts['cols']} pixels, {facts['crs'] or 'no CRS'}, "
        f"{'resolution unknown' if size is None else f'{size:.4g} m'}"
        f"{'' if facts['calibrated'] else ', uncalibrated numbers'}"
    )
    for sensor in facts["sensors"]:
        _print_sensor(sensor, about="" if facts["clear_exact"] else "about ")
    fewest, most = facts["clear_dates"]
    click.echo(f"a pixel has {fewest} to {most} clear dates")
    for warning in facts["warnings"]:
        click.echo(f"warning: {warning}")


def _print_sensor(sensor: dict[str, Any], about: str) -> None:
    dates, bands = sensor["dates"], [band["name"] for band in sensor["bands"]]
    click.echo(
        f"{sensor['name']}: {counted(len(dates), 'date')} from {dates[0]['date']} to {dates[-1]['date']}, "
        f"{counted(len(bands), 'band')} ({listed(bands, MOST_NAMED)})"
    )
    if sensor["longest_gap"] is not None:
        gap = sensor["longest_gap"]
        click.echo(
            f"  every {counted(sensor['median_gap_days'], 'day')} (median); longest gap {counted(gap['days'], 'day')} "
            f"after {gap['after']}"
        )
    for entry in dates[:_MOST_DATES]:
        click.echo(f"  {entry['date']}  {about}{100 * entry['clear']:.0f} % clear")
    if len(dates) > _MOST_DATES:
        click.echo(f"  ... and {len(dates) - _MOST_DATES} more (--json lists all)")


def _model_facts(stack: TimeStack, clear: ClearShares, model: str) -> dict[str, Any]:
    from georaster_dl.models.package.file import find_model, read_card
    from georaster_dl.predict.matching.stack_match import dates_of, dates_warning, match_stack

    card = read_card(find_model(model))
    matched = match_stack(stack, card)
    doubts = [dates_warning(dates_of(matched, card), card), *_doubts(stack, clear, card)]
    return {
        "name": card.name,
        "sensors": {s.name: [band.name for band in s.bands] for s in matched.sensors},
        "warnings": [with_options(doubt) for doubt in doubts if doubt is not None],
    }


def _doubts(stack: TimeStack, clear: ClearShares, card: Card) -> list[str]:
    """List the differences from the model's training in clouds."""
    doubts = []
    series = card.series
    if series is None:
        return []
    if clear.most < series.dates[0]:
        doubts.append(
            f"no pixel has more than {counted(clear.most, 'clear date')}, but in training each had {series.dates[0]} "
            f"to {series.dates[1]}"
        )
    if stack.mask != series.mask:
        doubts.append(
            f"clouds are masked by {stack.mask or 'nothing'}, but in training by {series.mask or 'nothing'}"
        )
    return doubts


def _print_model(facts: dict[str, Any]) -> None:
    each = (f"{name}: {listed(bands, MOST_NAMED)}" for name, bands in facts["sensors"].items())
    click.echo(f"{facts['name']} fits, reading {'; '.join(each)}")
    for warning in facts["warnings"]:
        click.echo(f"warning: {warning}")
