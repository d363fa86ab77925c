"""Maps of scenes: classes or quantities, and how sure they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingOutputRasterLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterVectorDestination,
)

from georaster_dl_qgis.algorithms.scene_algorithm import SceneAlgorithm
from georaster_dl_qgis.results.layer_group import LayerGroup

__all__ = ["Segment", "Uncertainty"]

_AUTOMATIC = (
    "automatic: the bundled land-cover model, where the bands carry the names of Sentinel-2."
)

# Rasters that geodl writes beside the map: option, output of the algorithm, name of the layer.
_BESIDE = (
    ("confidence", "CONFIDENCE_RASTER", "Confidence"),
    ("uncertainty", "UNCERTAINTY_RASTER", "Uncertainty"),
    ("probabilities", "PROBABILITIES_RASTER", "Probabilities"),
)


class _Mapping(SceneAlgorithm):
    """Runs ``geodl segment``."""

    def _add_all(self, output: str) -> None:
        self.add_scene()
        self.add_model(automatic=_AUTOMATIC)
        self.add_options()
        self.add_common()
        definition = QgsProcessingParameterRasterDestination("OUTPUT", output)
        self.add(definition, "GeoTIFF with class names and colours, or with values.")
        for option, name, title in _BESIDE:
            if option in self.beside():
                self.addOutput(QgsProcessingOutputRasterLayer(name, title))

    def add_options(self) -> None:
        """Add what is asked for beside the map."""

    def beside(self) -> tuple[str, ...]:
        """Options of geodl whose rasters may be asked for."""
        return ()

    def wanted(self, given: Any) -> list[str]:
        """Those of them that are."""
        return list(self.beside())

    def execute(self, given, context, feedback) -> dict[str, Any]:
        (scene, name), output = self.scene(given), given.output("OUTPUT")
        options = self.wanted(given)
        polygons = given.output("POLYGONS") if self.parameterDefinition("POLYGONS") else ""
        arguments = ["segment", scene, *self.model(given), "-o", output]
        arguments += [f"--{option}" for option in options]
        arguments += ["--polygons", polygons] if polygons else []
        self.geodl([*arguments, *self.common(given, context)], feedback)
        self.keep_model(given)

        group = LayerGroup(f"geodl: {name}")
        loads = context.willLoadLayerOnCompletion(output)
        made = {"OUTPUT": output}
        if loads:
            group.add(output, f"Map: {name}", context)
        if polygons:
            made["POLYGONS"] = polygons
            if context.willLoadLayerOnCompletion(polygons):
                group.add(polygons, f"Polygons: {name}", context)
        for option, key, title in _BESIDE:
            if option in options:
                path = Path(output)
                made[key] = str(path.with_name(f"{path.stem}_{option}.tif"))
                if loads:
                    group.add(made[key], f"{title}: {name}", context)
        return made


class Segment(_Mapping):
    """A map of a scene."""

    NAME = "segment"
    TITLE = "Segment a scene"
    TAGS = (*_Mapping.TAGS, "land cover", "classification", "regression", "map", "Sentinel-2")
    HELP = (
        "Maps what a model predicts of a scene: land-cover classes with names and colours, or a "
        "quantity.\n\n"
        "The model's bands are found in the scene by name, then by wavelength; a scene that lacks one, "
        "or whose numbers cannot be turned into physical values, is refused with the reason. Tell it "
        "under 'Advanced' then: names of the bands, scale and offset.\n\n"
        "Nodata of the scene is nodata of the map and never a class. A cancelled run leaves no file."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self._add_all("Map")
        polygons = QgsProcessingParameterVectorDestination(
            "POLYGONS", "Map as polygons", optional=True, createByDefault=False
        )
        self.add(polygons, "GeoPackage with the classes as polygons, their names and areas.")

    def add_options(self) -> None:
        confidence = QgsProcessingParameterBoolean(
            "CONFIDENCE", "Also make a map of confidence", defaultValue=False
        )
        self.add(confidence, "Probability of the mapped class, beside the map.")
        probabilities = QgsProcessingParameterBoolean(
            "PROBABILITIES", "Also make all probabilities", defaultValue=False
        )
        self.add(probabilities, "One band for each class, beside the map.", advanced=True)

    def beside(self) -> tuple[str, ...]:
        return ("confidence", "probabilities")

    def wanted(self, given: Any) -> list[str]:
        return [option for option in self.beside() if given.flag(option.upper())]


class Uncertainty(_Mapping):
    """A map of a scene with the two rasters that say how far to trust it."""

    NAME = "uncertainty"
    TITLE = "Map with uncertainty"
    TAGS = (*_Mapping.TAGS, "uncertainty", "confidence", "entropy", "probability")
    HELP = (
        "Maps the classes of a scene together with two rasters that say where the map can be trusted: "
        "confidence, the probability of the mapped class, and uncertainty, the entropy of all "
        "classes' probabilities on a scale from 0 (one class is certain) to 1 (all are equally "
        "probable).\n\n"
        "Both come from the model's calibrated probabilities. They know what the model knows: ground unlike "
        "all that it learnt from may look certain and be wrong.\n\n"
        "For models of classes. A model of a quantity that was trained with intervals has their half width as "
        "a band of its map: use 'Segment a scene'."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self._add_all("Map")

    def beside(self) -> tuple[str, ...]:
        return ("confidence", "uncertainty")
