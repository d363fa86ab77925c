"""Maps of scenes: classes, quantities or fractions, and how sure they are."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingParameterEnum, QgsProcessingParameterNumber

from georaster_dl_qgis.algorithms.map_outputs import (
    DEFAULT_MODEL,
    RASTER_KINDS,
    OutputKind,
    add_certainty,
    add_files,
    add_flag,
    add_map,
    certainty,
    chosen_kinds,
    load_map,
    named_files,
)
from georaster_dl_qgis.algorithms.scene_algorithm import SceneAlgorithm

__all__ = ["Segment", "Uncertainty"]

_UNCERTAINTY = next(kind for kind in RASTER_KINDS if kind.name == "uncertainty")
_METHOD, _PASSES = "METHOD", "PASSES"


class _Mapping(SceneAlgorithm):
    """Runs ``geodl segment``."""

    def initAlgorithm(self, configuration=None) -> None:
        self.add_scene()
        self.add_model(automatic=DEFAULT_MODEL)
        self.add_options()
        add_certainty(self)
        self.add_common()
        add_map(self, self.rasters())

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
        return certainty(values)

    def execute(self, values, context, feedback) -> dict[str, Any]:
        (scene, name), output = self.scene(values), values.output("OUTPUT")
        wanted, files = self.wanted(values), named_files(self, values)
        arguments = ["segment", scene, *self.model(values), "-o", output]
        for kind in wanted:
            arguments += self.option(kind, values)
        arguments += self.predicting(values)
        for kind, path in files.items():
            arguments += [f"--{kind.name}", path]
        self.geodl([*arguments, *self.common(values, context)], feedback)
        self.remember_model(values)
        return load_map(name, output, wanted, files, context)


class Segment(_Mapping):
    """A map of a scene."""

    TASKS = ("segmentation", "regression", "fractions")
    NAME = "segment"
    TITLE = "Segment a scene"
    GROUP = "Maps"
    TAGS = (
        *_Mapping.TAGS,
        "land cover",
        "classification",
        "regression",
        "fractions",
        "map",
        "Sentinel-2",
    )
    HELP = (
        "Maps what a model predicts of a scene: land-cover classes with names and colours, a "
        "quantity, or a band for each fraction of a pixel, from 0 to 1.\n\n"
        "The model's bands are found in the scene by name, then by wavelength; a scene that lacks one, "
        "or whose numbers cannot be turned into physical values, is refused with the reason. Tell it "
        "under 'Advanced' then: names of the bands, scale and offset.\n\n"
        "Nodata of the scene is nodata of the map and never a class. A cancelled run leaves no file."
    )

    def initAlgorithm(self, configuration=None) -> None:
        super().initAlgorithm(configuration)
        add_files(self)

    def add_options(self) -> None:
        for kind in self.rasters():
            add_flag(self, kind, of="the map")

    def rasters(self) -> list[OutputKind]:
        return RASTER_KINDS

    def wanted(self, values: Any) -> list[OutputKind]:
        return chosen_kinds(values, self.rasters())


class Uncertainty(_Mapping):
    """A map of a scene with the two rasters that say how far to trust it."""

    TASKS = ("segmentation",)
    NAME = "uncertainty"
    TITLE = "Map with uncertainty"
    GROUP = "Maps"
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
        return [kind for kind in RASTER_KINDS if kind.name in ("confidence", "uncertainty")]

    def option(self, kind: OutputKind, values: Any) -> list[str]:
        chosen = [values.choice(_METHOD)] if kind is _UNCERTAINTY else []
        return [*super().option(kind, values), *chosen]

    def predicting(self, values: Any) -> list[str]:
        random = values.choice(_METHOD) in ("mc-dropout", "bayesian")
        passes = ["--passes", values.text(_PASSES)] if random else []
        return [*super().predicting(values), *passes]
