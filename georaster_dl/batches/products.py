"""Products of a batch: which rasters are made of every scene, with which names and options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from georaster_dl.batches.job import SceneJob
from georaster_dl.batches.run import WORK_FOLDER
from georaster_dl.core.errors import OptionError
from georaster_dl.io.listing.find import list_scenes
from georaster_dl.models.package.file import find_model, read_card
from georaster_dl.predict.options import FeatureOptions, FeatureOutputs, Outputs, SegmentOptions
from georaster_dl.predict.outputs.kinds import map_subject

__all__ = ["Products", "feature_products", "list_jobs", "map_products"]


@dataclass(frozen=True)
class Products:
    """Rasters that a batch makes of every scene.

    Attributes
    ----------
    model : package; None takes the bundled one of Sentinel-2 where it fits.
    kind : end of their names.
    outputs : names the files, given the raster.
    options : makes the options of a run, given all but its own.
    """

    model: Path | None
    kind: str
    outputs: Callable[[Path], Outputs | FeatureOutputs]
    options: Callable[..., SegmentOptions | FeatureOptions]


def map_products(model: str | Path | None, extras: Sequence[str] = (), **of_map: Any) -> Products:
    """Describe maps of all scenes.

    Parameters
    ----------
    model : name of a bundled model, or path of a package.
    extras : further files of each map, by their names in ``EXTRA_OUTPUTS``.
    of_map : keyword arguments of ``SegmentOptions`` beside those of ``RunOptions``.

    Raises
    ------
    UnknownModelError
        When there is no such model.
    """
    package = None if model is None else find_model(model).absolute()
    return Products(
        package,
        map_subject(None if package is None else read_card(package)),
        partial(Outputs.beside, extras=dict.fromkeys(extras)),
        partial(SegmentOptions, **of_map),
    )


def feature_products(model: str | Path | None, layer: str | None = None) -> Products:
    """Describe features of all scenes.

    Raises
    ------
    OptionError
        When no model is named, or its network does not have the layer: before all scenes fail for it.
    UnknownModelError
        When there is no such model.
    """
    if model is None:
        raise OptionError(
            "`features=True` needs a model; name one with `model=`, such as s2-landcover."
        )
    package = find_model(model).absolute()
    if layer:
        _check_layer(package, layer)
    return Products(package, "features", FeatureOutputs, partial(FeatureOptions, layer=layer))


def list_jobs(
    scenes: Sequence[str], folder: Path, settings: Mapping[str, Any], products: Products
) -> list[SceneJob]:
    """Make a job of every scene.

    Parameters
    ----------
    scenes : as ``list_scenes`` takes them.
    folder : of the outputs, absolute.
    settings : keyword arguments of ``RunOptions``.

    Raises
    ------
    GeoRasterError
        When a pattern, folder, list or collection cannot be read or holds no scene, or two scenes have
        one name.
    """
    work, jobs = folder / WORK_FOLDER, []
    for scene in list_scenes(scenes, work / "items"):
        raster = folder / f"{scene.name}_{products.kind}.tif"
        options = products.options(
            **settings, record=raster.with_suffix(".json"), journal=work / "strips" / raster.stem
        )
        outputs = products.outputs(raster)
        jobs.append(SceneJob(scene.name, scene.sources, products.model, outputs, options))
    return jobs


def _check_layer(model: Path, layer: str) -> None:
    from georaster_dl.models.runtime.features import FeatureNetwork
    from georaster_dl.models.runtime.optional_bands import load_narrowed

    card = read_card(model)
    network = load_narrowed(model, [band.name for band in card.bands])[1]
    FeatureNetwork(network, len(card.bands), layer, error=False)
