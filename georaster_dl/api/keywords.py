"""Keyword arguments shared by several functions of the Python interface, and their options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar

from georaster_dl.cleaning.options import CleaningOptions
from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.core.wording import nearest_names
from georaster_dl.models.package.file import find_model
from georaster_dl.objects.options import PolygonOptions

__all__ = [
    "CleaningKeywords",
    "LabelKeywords",
    "MapKeywords",
    "ObjectKeywords",
    "PredictorKeywords",
    "RunKeywords",
    "SceneKeywords",
    "cleaning_of",
    "options_of",
    "plain_value",
    "polygon_options_of",
]

O = TypeVar("O")  # noqa: E741 - of options


class SceneKeywords(TypedDict, total=False):
    """Keywords of reading a scene, which override its metadata.

    Attributes
    ----------
    bands : names of a plain file's bands in file order, as a list or a text with commas; of a product, or
        where there are fewer names than bands, those to use.
    nodata : number that stands for no measurement, in every band.
    scale, offset : physical value = stored value * scale + offset, in every band.
    mask : quality band that masks pixels, such as ``"SCL"`` or ``"QA60:0"``; see the guide on scenes.
    wavelengths : centres of the bands in file order, in nm, of a file that does not state them; or the path of a text
        file of them, in nm or um.
    grid : of a scene of several files, the one whose grid it gets; the finest where None.
    """

    bands: Sequence[str] | str | None
    nodata: float | None
    scale: float | None
    offset: float | None
    mask: str | None
    wavelengths: Sequence[float] | str | Path | None
    grid: str | Path | None


class RunKeywords(SceneKeywords, total=False):
    """Keywords of running a model over a scene.

    Attributes
    ----------
    aoi : file of polygons outside of which the output is nodata.
    device : ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
    precision : ``"auto"``, ``"fp32"``, ``"bf16"`` or ``"fp16"``.
    halo : pixels of context around each tile; ``"auto"`` is the model's own, ``"exact"`` makes tiles
        equal the untiled result.
    tile : largest side of a tile in pixels, halo included; from the free memory where None.
    resample : make the model's bands from the scene's by their wavelengths.
    overwrite : replace outputs that exist.
    record : JSON file to make beside the outputs: model, options, inputs and contents.
    journal : folder of finished strips, with which a killed run goes on; removed at the end.
    """

    aoi: str | Path | None
    device: str
    precision: str
    halo: int | Literal["auto", "exact"]
    tile: int | None
    resample: bool
    overwrite: bool
    record: str | Path | None
    journal: str | Path | None


class PredictorKeywords(RunKeywords, total=False):
    """Keywords of how the probabilities or values of a pixel are made.

    Attributes
    ----------
    predictor : how the probabilities or values of a pixel are made: ``"single"`` pass; or the mean of
        passes with dropout (``"mc-dropout"``) or a sampled last layer (``"bayesian"``), over mirror
        images (``"tta"``), or of several networks (``"ensemble"``). ``"auto"`` is ``"ensemble"``
        where there are members, else ``"single"``.
    members : further models of an ensemble: names of bundled ones, or paths of packages.
    passes, seed : number and random numbers of the passes of ``"mc-dropout"`` and ``"bayesian"``.
    symmetries : mirror images of ``"tta"``: ``"flip"``, 4 passes; ``"d4"``, also transposed, 8 passes.
    """

    predictor: Literal["auto", "single", "mc-dropout", "bayesian", "tta", "ensemble"]
    members: Sequence[str | Path]
    passes: int
    seed: int
    symmetries: Literal["d4", "flip"]


class MapKeywords(PredictorKeywords, total=False):
    """Keywords of running a model that predicts classes or quantities.

    Attributes
    ----------
    reject : share of the ground of the model's calibration that keeps its class, such as 0.9; less certain pixels
        become the class "uncertain". None gives every pixel a class.
    level : share of the calibration ground whose true class is in its prediction set.
    """

    reject: float | None
    level: float


class CleaningKeywords(TypedDict, total=False):
    """Keywords of cleaning a map of classes: it is smoothed, then filtered, then sieved.

    Attributes
    ----------
    smooth : choose the classes by probabilities that those of the neighbours have smoothed (Camara et al. 2024).
    smooth_strength : how much that smooths: the variance of the log-odds within a class. A number, or a text that
        also names classes: ``"20,water=40"``.
    smooth_window : side of the square of neighbours in pixels, odd.
    smooth_share : share of the neighbours that are taken, the most probable.
    majority : side in pixels, odd, of the square whose most frequent class a pixel takes.
    sieve : smallest area of the map, such as ``"0.5ha"``, ``"50m2"`` or ``"9px"``; smaller ones go to the neighbour
        with the longest common border.
    """

    smooth: bool
    smooth_strength: float | str
    smooth_window: int
    smooth_share: float
    majority: int | None
    sieve: str | None


class ObjectKeywords(TypedDict, total=False):
    """Keywords of making polygons of a map of classes.

    Attributes
    ----------
    keep, drop : names of the classes to make polygons of, or to leave out.
    min_area : smallest area with its unit (``"50m2"``, ``"0.5ha"``, ``"9px"``); smaller ones join the class with the longest
        shared border, as in a sieve.
    fill_holes : largest area of holes to fill, with its unit.
    split_touching : separate objects of one class that touch where they are narrow.
    simplify : tolerance in pixels; shared borders stay shared.
    round_corners : round corners, those of shared borders for both.
    right_angles : outlines in the two main directions of each object, for one class, named by ``keep``.
    """

    keep: str | Sequence[str]
    drop: str | Sequence[str]
    min_area: str | None
    fill_holes: str | None
    split_touching: bool
    simplify: float | None
    round_corners: bool
    right_angles: bool


class LabelKeywords(TypedDict, total=False):
    """Keywords of reading labels.

    Attributes
    ----------
    layer : of a vector file; None takes the only one there is, or the only one with the class field.
    class_field : attribute that holds the class, or the number of a regression.
    class_name : class of all features, whatever their attributes, and of all pixels of a mask that are not 0.
    width_m : full width in metres to which lines and points are widened.
    all_touched : a feature labels every pixel it touches.
    priority : class names; where features overlap the first named lies on top.
    ignore : label numbers that mean unlabelled, besides the declared nodata.
    classes : CSV with the columns value, name and color.
    background : class of the pixels without a label.
    """

    layer: str | None
    class_field: str | None
    class_name: str | None
    width_m: float | None
    all_touched: bool
    priority: Sequence[str]
    ignore: Sequence[float]
    classes: str | Path | None
    background: str | None


def options_of(
    kind: type[O], given: Mapping[str, Any], *, beside: Sequence[str] = (), **more: Any
) -> O:
    """Make options of keyword arguments; those of the scene become its section.

    Parameters
    ----------
    kind : dataclass of options.
    beside : further keywords that the function takes, for the message.
    more : options that are no keyword arguments.

    Raises
    ------
    OptionError
        When there is no such keyword; the nearest is named.
    """
    has_scene = any(field.name == "scene" for field in fields(kind))  # type: ignore[arg-type]
    of_scene = _names(SceneOptions) if has_scene else set()
    own = _names(kind) - {"scene", "labels", "cleaning", "polygon_options"}
    known = [*own, *of_scene, *beside]
    for name in given:
        if name not in known:
            raise OptionError(
                f"There is no keyword {name!r} here{nearest_names(name, known)}; it takes "
                f"{', '.join(sorted(known))}."
            )
    values = {name: plain_value(name, value) for name, value in given.items()}
    scene = {name: value for name, value in values.items() if name in of_scene}
    options = {name: value for name, value in values.items() if name in own} | more
    if has_scene and scene:
        options["scene"] = SceneOptions(**scene)
    return kind(**options)


def cleaning_of(given: Mapping[str, Any]) -> tuple[CleaningOptions, dict[str, Any]]:
    """Make the options of cleaning of keyword arguments, and give the others."""
    names = _names(CleaningOptions)
    own = {name: value for name, value in given.items() if name in names}
    rest = {name: value for name, value in given.items() if name not in names}
    return CleaningOptions(**own), rest


def polygon_options_of(given: Mapping[str, Any]) -> tuple[PolygonOptions, dict[str, Any]]:
    """Make the options of polygons beside a map of keyword arguments, and give the others."""
    own = {name: given[name] for name in ObjectKeywords.__annotations__ if name in given}
    rest = {name: value for name, value in given.items() if name not in own}
    return PolygonOptions.of(own), rest


def _names(kind: type) -> set[str]:
    return {field.name for field in fields(kind)}


def path_of(name: str, value: Any) -> Path:
    """Take a keyword's value as a path.

    Raises
    ------
    OptionError
        When it is another object, whose text would be taken for a path.
    """
    if isinstance(value, str | PathLike):
        return Path(value)
    kind = type(value)
    raise OptionError(
        f"`{name}=` takes the path of a file, but got a {kind.__module__}.{kind.__name__}; write it to a file first, or "
        f"name one."
    )


def plain_value(name: str, value: Any) -> Any:
    """Paths given as text, and lists, as options have them."""
    if value is None:
        return None
    if name in ("aoi", "record", "journal", "classes", "parcels"):
        return Path(value)
    if name == "members":
        return tuple(find_model(each).absolute() for each in value)
    if name == "wavelengths":
        from georaster_dl.io.formats.wavelengths import read_wavelengths

        return read_wavelengths(Path(value)) if isinstance(value, str | PathLike) else tuple(value)
    if name == "bands":
        return tuple(value.split(",") if isinstance(value, str) else value)
    return tuple(value) if name in ("priority", "ignore") else value
