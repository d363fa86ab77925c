"""Maps of scenes: classes or quantities, and how sure they are."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingDestinationParameter,
    QgsProcessingOutputRasterLayer,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterVectorDestination,
)

from georaster_dl_qgis.algorithms.map_outputs import (
    DEFAULT_MODEL,
    OUTPUT_KINDS,
    OutputKind,
    add_flag,
    chosen_kinds,
)
from georaster_dl_qgis.algorithms.scene_algorithm import SceneAlgorithm
from georaster_dl_qgis.results.layer_group import LayerGroup

__all__ = ["Segment", "Uncertainty"]

_RASTERS = [kind for kind in OUTPUT_KINDS if kind.is_raster]
_UNCERTAINTY = next(kind for kind in OUTPUT_KINDS if kind.name == "uncertainty")
_METHOD, _PASSES, _KEPT = "METHOD", "PASSES", "KEPT"
_NAMED_FILES = [kind for kind in OUTPUT_KINDS if not kind.is_raster]


class _Mapping(SceneAlgorithm):
    """Runs ``geodl segment``."""

    def add_map(self, output: str) -> None:
        """Add the scene, the model and the map."""
        self.add_scene()
        self.add_model(automatic=DEFAULT_MODEL)
        self.add_options()
        kept = QgsProcessingParameterNumber(
            _KEPT,
            "Share of the ground to keep as certain (empty: all)",
            QgsProcessingParameterNumber.Type.Double,
            optional=True,
            minValue=0.01,
            maxValue=0.99,
        )
        self.add(
            kept,
            "0.9 makes pixels the class 'uncertain' whose probability nine tenths of the model's validation "
            "ground exceed. For models of classes that hold the statistics for it.",
            advanced=True,
        )
        self.add_common()
        definition = QgsProcessingParameterRasterDestination("OUTPUT", output)
        self.add(definition, "GeoTIFF with class names and colours, or with values.")
        for kind in self.rasters():
            self.addOutput(QgsProcessingOutputRasterLayer(_key(kind), kind.title))

    def add_options(self) -> None:
        """Add the outputs beside the map."""

    def rasters(self) -> list[OutputKind]:
        """Rasters beside the map that may be asked for."""
        return []

    def wanted(self, values: Any) -> list[OutputKind]:
        """Those of them that are."""
        return self.rasters()

    def option(self, kind: OutputKind, values: Any) -> list[str]:
        """Options of geodl that ask for a raster beside the map."""
        return [f"--{kind.name}"]

    def predicting(self, values: Any) -> list[str]:
        """Options of geodl for how probabilities are made, and for uncertain pixels."""
        kept = values.text(_KEPT)
        return ["--reject", kept] if kept else []

    def execute(self, values, context, feedback) -> dict[str, Any]:
        (scene, name), output = self.scene(values), values.output("OUTPUT")
        wanted, files = self.wanted(values), _files(self, values)
        arguments = ["segment", scene, *self.model(values), "-o", output]
        for kind in wanted:
            arguments += self.option(kind, values)
        arguments += self.predicting(values)
        for kind, path in files.items():
            arguments += [f"--{kind.name}", path]
        self.geodl([*arguments, *self.common(values, context)], feedback)
        self.remember_model(values)

        group = LayerGroup(f"geodl: {name}")
        loads = context.willLoadLayerOnCompletion(output)
        made = {"OUTPUT": output}
        if loads:
            group.add(output, f"Map: {name}", context)
        for kind, path in files.items():
            made[kind.parameter] = path
            if context.willLoadLayerOnCompletion(path):
                group.add(path, f"{kind.title}: {name}", context)
        for kind in wanted:
            made[_key(kind)] = kind.beside(output)
            if loads:
                group.add(made[_key(kind)], f"{kind.title}: {name}", context)
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
        self.add_map("Map")
        for kind in _NAMED_FILES:
            self.add(_destination(kind), f"{kind.help[0].upper()}{kind.help[1:]}.")

    def add_options(self) -> None:
        for kind in self.rasters():
            add_flag(self, kind, of="the map")

    def rasters(self) -> list[OutputKind]:
        return _RASTERS

    def wanted(self, values: Any) -> list[OutputKind]:
        return chosen_kinds(values, self.rasters())


class Uncertainty(_Mapping):
    """A map of a scene with the two rasters that say how far to trust it."""

    NAME = "uncertainty"
    TITLE = "Map with uncertainty"
    TAGS = (*_Mapping.TAGS, "uncertainty", "confidence", "entropy", "probability")
    HELP = (
        "Maps the classes of a scene together with two rasters that say where the map can be trusted: "
        "confidence, the probability of the mapped class, and uncertainty, the entropy of all "
        "classes' probabilities on a scale from 0 (one class is certain) to 1 (all are equally "
        "probable); of several passes also how far these are apart.\n\n"
        "Both come from the model's calibrated probabilities. They know what the model knows: ground unlike "
        "all that it learnt from may look certain and be wrong.\n\n"
        "For models of classes. A model of a quantity that was trained with intervals has their half width as "
        "a band of its map: use 'Segment a scene'."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add_map("Map")

    def add_options(self) -> None:
        method = QgsProcessingParameterEnum(
            _METHOD,
            "How uncertainty is found",
            options=list(_UNCERTAINTY.choices),
            defaultValue=_UNCERTAINTY.choices[0],
            usesStaticStrings=True,
        )
        self.add(
            method,
            "softmax: one pass. tta: eight mirror images of the scene, with any model. mc-dropout: passes with "
            "dropout, which models have that were trained with this version. bayesian and ensemble: "
            "models that were trained as such. Several passes give five bands, of which mutual information says "
            "where they disagree, and the spread of a quantity.",
        )
        passes = QgsProcessingParameterNumber(
            _PASSES, "Passes of mc-dropout and bayesian", defaultValue=20, minValue=1, maxValue=1000
        )
        self.add(passes, "More take longer and are less noisy.", advanced=True)

    def rasters(self) -> list[OutputKind]:
        return [kind for kind in _RASTERS if kind.name in ("confidence", "uncertainty")]

    def option(self, kind: OutputKind, values: Any) -> list[str]:
        chosen = [values.choice(_METHOD)] if kind is _UNCERTAINTY else []
        return [*super().option(kind, values), *chosen]

    def predicting(self, values: Any) -> list[str]:
        random = values.choice(_METHOD) in ("mc-dropout", "bayesian")
        passes = ["--passes", values.text(_PASSES)] if random else []
        return [*super().predicting(values), *passes]


def _key(kind: OutputKind) -> str:
    """Name of an algorithm's output."""
    return f"{kind.parameter}_RASTER"


def _destination(kind: OutputKind) -> QgsProcessingDestinationParameter:
    """Parameter for a file that the user names."""
    title = f"Also make: {kind.title.lower()}"
    if kind.suffix == ".gpkg":
        return QgsProcessingParameterVectorDestination(
            kind.parameter, title, optional=True, createByDefault=False
        )
    return QgsProcessingParameterFileDestination(
        kind.parameter,
        title,
        fileFilter=f"{kind.title} (*{kind.suffix})",
        optional=True,
        createByDefault=False,
    )


def _files(algorithm: SceneAlgorithm, values: Any) -> dict[OutputKind, str]:
    """Files that the user named."""
    named = {
        kind: values.output(kind.parameter)
        if kind.suffix == ".gpkg"
        else values.file_output(kind.parameter)
        for kind in _NAMED_FILES
        if algorithm.parameterDefinition(kind.parameter)
    }
    return {kind: path for kind, path in named.items() if path}
