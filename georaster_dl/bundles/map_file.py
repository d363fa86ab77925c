"""Map of a bundle: a Cloud Optimized GeoTIFF with names and colours in it, and its style."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio.shutil
from rasterio._err import CPLE_BaseError  # what rasterio.shutil raises has no public name
from rasterio.errors import RasterioError

from georaster_dl.cleaning.files import ClassMap, open_class_map
from georaster_dl.core.disk import writing
from georaster_dl.core.errors import OptionError
from georaster_dl.io.class_maps import other_than_classes
from georaster_dl.io.environment import allow_ungeoreferenced
from georaster_dl.io.labels.raster import found_in_raster, stated_classes
from georaster_dl.io.output.provenance import tags_of
from georaster_dl.io.output.view_style import style_by_tags
from georaster_dl.io.output.writer import RasterWriter
from georaster_dl.io.scenes.dataset import open_dataset
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.render.qml import class_names_tag, color_table, write_class_style

__all__ = ["BundleMap", "open_bundle_map"]

_OURS = "GEORASTER_DL_"
_MOST_UNNAMED = 255  # classes; a raster with more different numbers holds an image or heights
_COG = {
    "COMPRESS": "DEFLATE",
    "PREDICTOR": "YES",
    "OVERVIEW_RESAMPLING": "AVERAGE",
    "BIGTIFF": "IF_SAFER",
    "NUM_THREADS": "ALL_CPUS",
}


@dataclass(frozen=True)
class BundleMap:
    """Map that is to be sent.

    Attributes
    ----------
    scene : the map, described.
    tags : of its file, provenance among them.
    classes : of a map of classes; None for quantities and fractions.
    """

    path: Path
    scene: Scene
    tags: Mapping[str, str]
    classes: ClassMap | None

    @property
    def name(self) -> str:
        """File name in the bundle."""
        return f"{self.path.stem}.tif"

    def write(self, folder: Path) -> Path:
        """Write the map's style to a folder and, where its file is not fit to be sent, the map.

        Returns
        -------
        Path of the map: the file itself where it is a Cloud Optimized GeoTIFF with names and colours.

        Raises
        ------
        GeoRasterError
            When the map cannot be read or written.
        """
        made = folder / self.name
        ready = self._is_ready()
        if ready:
            self._copy_beside(made, ".aux.xml")
        elif self.classes is None:
            with allow_ungeoreferenced(), writing(made, RasterioError, CPLE_BaseError):
                rasterio.shutil.copy(str(self.path), str(made), driver="COG", **_COG)
        else:
            _rewrite(self.classes, made)
        if self.classes is not None:
            write_class_style(made, self.classes.legend)
        elif self._style.is_file():
            shutil.copyfile(self._style, made.with_suffix(".qml"))
        else:
            style_by_tags(made, self.tags)
        return self.path if ready else made

    @property
    def _style(self) -> Path:
        return self.path.with_suffix(".qml")

    def _copy_beside(self, made: Path, ending: str) -> None:
        beside = self.path.with_name(self.path.name + ending)
        if beside.is_file():
            shutil.copyfile(beside, made.with_name(made.name + ending))

    def _is_ready(self) -> bool:
        with open_dataset(str(self.path)) as dataset:
            layout = dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT")
            if dataset.driver != "GTiff" or layout != "COG" or self.path.name != self.name:
                return False
            if self.classes is None:
                return self._style.is_file()
            legend = self.classes.legend
            named = dataset.tags().get("CLASS_NAMES") == class_names_tag(legend)
            return named and _colors(dataset).items() >= color_table(legend).items()


def open_bundle_map(path: Path) -> BundleMap:
    """Describe a map of classes, or a raster of quantities or fractions that geodl made.

    Raises
    ------
    SceneError
        When it cannot be opened.
    OptionError
        When it is no map.
    """
    scene, tags = open_scene(path), tags_of(path)
    held = other_than_classes(path)
    if not held:
        if not stated_classes(path):
            _check_classes(path)
        classes = open_class_map(path)
        return BundleMap(path, scene, tags, classes)
    if not any(tag.startswith(_OURS) for tag in tags):
        raise OptionError(
            f"{path} holds {held} and has no tags of geodl, but a map is one band of classes, or "
            f"quantities or fractions that geodl mapped; give the map, not the scene."
        )
    return BundleMap(path, scene, tags, None)


def _check_classes(path: Path) -> None:
    count = len(found_in_raster(path, ()).values)
    if count > _MOST_UNNAMED:
        raise OptionError(
            f"{path} holds {count} different numbers without names, so it is no map of classes but an image or "
            f"heights; give the map that geodl made."
        )


def _rewrite(classes: ClassMap, made: Path) -> None:
    cols = slice(0, classes.shape[1])
    with RasterWriter(made, classes.geobox, spec=classes.spec()) as writer:
        for rows, values in classes.strips():
            writer.write(rows, cols, values[None])


def _colors(dataset: Any) -> dict[int, tuple[int, ...]]:
    try:
        return dict(dataset.colormap(1))
    except ValueError:  # it has none
        return {}
