"""``geodl segment``: a scene in, a styled map as GeoTIFF out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import click

from georaster_dl.errors import OptionError

from .options import model_option, run_options, scene_argument, scene_options, scene_settings
from .progress import end_with_parent, reporting

if TYPE_CHECKING:
    from georaster_dl.models.card import Card
    from georaster_dl.predict.options import Outputs, Report, SegmentOptions
    from georaster_dl.predict.segment import Summary

__all__ = ["segment"]

_MOST_BANDS = 16
_STORED = ("uint8", "float32")


class _Command(click.Command):
    """``--probabilities`` may stand alone, also right before the scene."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for i, arg in enumerate(args):
            if arg == "--probabilities" and (i + 1 == len(args) or args[i + 1] not in _STORED):
                args[i] = "--probabilities=uint8"
        return super().parse_args(ctx, args)


@click.command(cls=_Command)
@scene_argument
@model_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Map to make; SCENE_landcover.tif (or SCENE_ and the quantity) in the working folder by default.",
)
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@click.option(
    "--probabilities",
    type=click.Choice(_STORED),
    help="Also write *_probabilities.tif, one band per class, as scaled uint8 (default) or float32.",
)
@click.option(
    "--confidence",
    is_flag=True,
    help="Also write *_confidence.tif, the probability of the mapped class.",
)
@click.option("--polygons", type=click.Path(path_type=Path), help="Also write a GeoPackage.")
@click.option("--quicklook", type=click.Path(path_type=Path), help="Also write a PNG to look at.")
@click.option(
    "--aoi", type=click.Path(path_type=Path), help="Polygons (any CRS) that limit the output."
)
@scene_options
@click.option(
    "--halo",
    default="auto",
    help="Pixels of context around a tile, auto (the model's own) or exact.",
)
@click.option("--device", default="auto", help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
    default="auto",
    help="Arithmetic of the network; auto takes the fastest for classes and fp32 for a quantity.",
)
@run_options
def segment(scene: tuple[str, ...], progress: str, quiet: bool, **given: Any) -> None:
    """Map what a model predicts of a scene: classes, or the quantity of a regression model.

    SCENE is a raster, a .SAFE folder or zip, a STAC item, an address, or several files of one
    scene. The map is a cloud-optimised GeoTIFF with class names and colours, or with values as
    float32; --probabilities, --confidence and --polygons are for classes. Without -m a Sentinel-2
    scene is mapped by the bundled model s2-landcover.

    \b
    geodl segment scene.tif
    geodl segment B02.jp2 B03.jp2 ... -m my-model.safetensors -o map.tif --confidence
    """
    if given["parent_pipe"]:
        end_with_parent()
    # Heavy imports come after the options were found right, and never for --help.
    from georaster_dl.models.package import find_model, read_card
    from georaster_dl.predict.segment import segment as run

    model = None if given["model"] is None else find_model(given["model"])
    card = None if model is None else read_card(model)
    outputs, options = _outputs(scene, card, given), _options(given)
    talking = progress == "bar" and not quiet
    with reporting("json" if progress == "json" else "quiet" if quiet else "bar") as report:
        summary = run(scene, model, outputs, options, _spoken(report) if talking else report)
        if summary.card.caution:
            report("warning", {"message": f"{summary.model.stem}: {summary.card.caution}"})
        report("done", _facts(summary))
    if talking:
        _print(summary)


def _spoken(report: Report) -> Report:
    """The report that also says, once, which model was chosen and how it reads the scene's bands."""
    said = set()

    def tell(event: str, facts: Mapping[str, Any]) -> None:
        report(event, facts)
        for line in _lines(event, facts):
            if line not in said:  # a run that starts over tells its start again
                said.add(line)
                click.echo(line, err=True)

    return tell


def _lines(event: str, facts: Mapping[str, Any]) -> Iterator[str]:
    if event == "model":
        scores = ", ".join(f"{name} {value:.2f}" for name, value in facts["metrics"].items())
        yield (
            f"no model named: using {facts['model']} {facts['version']} "
            f"({scores}{'; ' if scores else ''}geodl models show {facts['model']})"
        )
    if event == "start" and facts["absent"]:
        yield f"{facts['model']} runs without {', '.join(facts['absent'])} (absent in the scene)"
    if event == "start" and facts["taken_for"]:
        taken = [f"{band} for {name}" for name, band in facts["taken_for"].items()]
        rest = ", ..." if len(taken) > _MOST_BANDS else ""
        yield f"by wavelength it takes {', '.join(taken[:_MOST_BANDS])}{rest}"


def _outputs(scene: tuple[str, ...], card: Card | None, given: dict[str, Any]) -> Outputs:
    from georaster_dl.predict.options import Outputs

    mapped = given["output"] or Path(f"{_stem(scene[0])}_{_subject(card)}.tif")
    _check_suffix("-o", mapped, "a GeoTIFF", (".tif", ".tiff"))
    _check_suffix("--polygons", given["polygons"], "a GeoPackage", (".gpkg",))
    _check_suffix("--quicklook", given["quicklook"], "a PNG", (".png",))

    def beside(kind: str) -> Path | None:
        return mapped.with_name(f"{mapped.stem}_{kind}.tif") if given[kind] else None

    return Outputs(
        map=mapped,
        probabilities=beside("probabilities"),
        confidence=beside("confidence"),
        polygons=given["polygons"],
        quicklook=given["quicklook"],
    )


def _stem(scene: str) -> str:
    """Name of a scene without folder and ending; an address's query is no part of it."""
    path = Path(urlparse(scene).path if "://" in scene else scene)
    return path.absolute().stem or "scene"


def _subject(card: Card | None) -> str:
    """What the map is of, as part of a file's name; the model that is taken by default has classes."""
    if card is None or card.target is None:
        return "landcover"
    return re.sub(r"\W+", "_", card.target.name.lower()).strip("_") or "values"


def _check_suffix(option: str, path: Path | None, kind: str, endings: tuple[str, ...]) -> None:
    # A file whose name promises another format opens nowhere.
    if path is not None and path.suffix.lower() not in endings:
        raise OptionError(f"{option} makes {kind}, but its name is {path}; end it in {endings[0]}.")


def _options(given: dict[str, Any]) -> SegmentOptions:
    from georaster_dl.predict.options import SegmentOptions

    halo = given["halo"]
    if halo not in ("auto", "exact"):
        if not halo.isdecimal():
            raise OptionError(f"--halo must be auto, exact or a number of pixels, not {halo!r}.")
        halo = int(halo)
    return SegmentOptions(
        scene=scene_settings(given["bands"], given["nodata"], given["scale"], given["offset"]),
        aoi=given["aoi"],
        device=given["device"],
        precision=given["precision"],
        halo=halo,
        float32=given["probabilities"] == "float32",
        overwrite=given["overwrite"],
    )


def _facts(summary: Summary) -> dict[str, Any]:
    return {
        "outputs": [str(path) for path in summary.outputs.all()],
        "pixels": summary.pixels,
        "seconds": round(summary.seconds, 3),
        "device": summary.device,
        **(
            {"classes": summary.counts}
            if summary.values is None
            else {"values": asdict(summary.values)}
        ),
    }


def _print(summary: Summary) -> None:
    counts, values, target = summary.counts, summary.values, summary.card.target
    if target is not None and values is not None:
        click.echo(
            f"{target.label}: mean {values.mean:.4g}, from {values.min:.4g} to {values.max:.4g}"
        )
    else:
        total = sum(counts.values())
        click.echo(", ".join(f"{name} {100 * n / total:.1f} %" for name, n in counts.items() if n))
    megapixels = summary.pixels / 1e6
    click.echo(
        f"{megapixels:.3g} Mpx in {summary.seconds:.1f} s "
        f"({megapixels / summary.seconds:.2g} Mpx/s, {summary.device})"
    )
    for path in summary.outputs.all():
        click.echo(str(path))
