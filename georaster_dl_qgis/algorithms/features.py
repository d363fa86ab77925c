"""Features of every pixel by a network, and scenes without noise."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingParameterRasterDestination

from georaster_dl_qgis.algorithms.scene_algorithm import SceneAlgorithm
from georaster_dl_qgis.parameters.definitions import flag, text, wanted_raster
from georaster_dl_qgis.results.layer_group import load_layers

__all__ = ["Denoise", "Features"]


class Features(SceneAlgorithm):
    """Runs ``geodl features``."""

    TASKS = ("autoencoder", "segmentation", "regression", "fractions")
    NAME = "features"
    TITLE = "Features of a scene"
    GROUP = "Maps"
    TAGS = (*SceneAlgorithm.TAGS, "features", "autoencoder", "embedding", "anomaly")
    NOT_OPTIONAL = (*SceneAlgorithm.NOT_OPTIONAL, "MODEL")
    HELP = (
        "Writes the features that a model has of every pixel, one band each: the code of an autoencoder, or "
        "what the last layer before the classes sees. They serve as input for clustering, for "
        "classifiers with few labels, or to be looked at.\n\n"
        "With an autoencoder the error of reconstruction can be made too: a map of anomalies."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add_scene()
        self.add_model()
        packed = flag("PACKED", "Store as 16-bit integers (half the room)")
        self.add(packed, "Every band gets a scale and an offset; otherwise float32.")
        layer = text("LAYER", "Layer of the network")
        self.add(
            layer,
            "Dotted name; by default the code of an autoencoder, or the last layer.",
            advanced=True,
        )
        self.add_common()
        features = QgsProcessingParameterRasterDestination("OUTPUT", "Features")
        self.add(features, "GeoTIFF with one band per feature.")
        error = wanted_raster("ERROR", "Error of reconstruction")
        self.add(error, "Of autoencoders only: in standard deviations of the bands.")

    def check(self, values) -> None:
        super().check(values)
        self.check_model(values)

    def execute(self, values, context, feedback) -> dict[str, Any]:
        scene, called = self.scene(values)
        made = {name: values.output(name) for name in ("OUTPUT", "ERROR")}
        arguments = ["features", scene, *self.model(values), "-o", made["OUTPUT"]]
        arguments += ["--dtype", "int16"] if values.flag("PACKED") else []
        arguments += [f"--layer={values.text('LAYER')}"] if values.text("LAYER") else []
        arguments += ["--error", made["ERROR"]] if made["ERROR"] else []
        self.geodl([*arguments, *self.common(values, context)], feedback)
        self.remember_model(values)
        shown = {made["OUTPUT"]: f"Features: {called}", made["ERROR"]: f"Error: {called}"}
        load_layers(called, shown, context)
        return {name: path for name, path in made.items() if path}


class Denoise(SceneAlgorithm):
    """Runs ``geodl denoise``."""

    TASKS = ("autoencoder",)
    NAME = "denoise"
    TITLE = "Denoise a scene"
    GROUP = "Maps"
    TAGS = (*SceneAlgorithm.TAGS, "noise", "autoencoder", "reconstruction", "hyperspectral")
    NOT_OPTIONAL = (*SceneAlgorithm.NOT_OPTIONAL, "MODEL")
    HELP = (
        "Writes a scene as an autoencoder reconstructs it: without the noise that it could not learn. The raster has "
        "the bands of the scene, in physical values. Train the autoencoder on such scenes first ('Train a model', "
        "'What is learnt': autoencoder)."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add_scene()
        self.add_model()
        self.add_common()
        output = QgsProcessingParameterRasterDestination("OUTPUT", "Scene without noise")
        self.add(output, "GeoTIFF with the scene's bands.")

    def check(self, values) -> None:
        super().check(values)
        self.check_model(values)

    def execute(self, values, context, feedback) -> dict[str, Any]:
        (scene, called), output = self.scene(values), values.output("OUTPUT")
        arguments = ["denoise", scene, *self.model(values), "-o", output]
        self.geodl([*arguments, *self.common(values, context)], feedback)
        self.remember_model(values)
        load_layers(called, {output: f"Without noise: {called}"}, context)
        return {"OUTPUT": output}
