"""Algorithm that writes a network's features of every pixel."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingParameterBoolean,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
)

from georaster_dl_qgis.algorithms.scene_algorithm import SceneAlgorithm
from georaster_dl_qgis.results.layer_group import LayerGroup

__all__ = ["Features"]


class Features(SceneAlgorithm):
    """Runs ``geodl features``."""

    NAME = "features"
    TITLE = "Features of a scene"
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
        packed = QgsProcessingParameterBoolean(
            "PACKED", "Store as 16-bit integers (half the room)", defaultValue=False
        )
        self.add(packed, "Every band gets a scale and an offset; otherwise float32.")
        layer = QgsProcessingParameterString("LAYER", "Layer of the network", optional=True)
        self.add(
            layer,
            "Dotted name; by default the code of an autoencoder, or the last layer.",
            advanced=True,
        )
        self.add_common()
        features = QgsProcessingParameterRasterDestination("OUTPUT", "Features")
        self.add(features, "GeoTIFF with one band per feature.")
        error = QgsProcessingParameterRasterDestination(
            "ERROR", "Error of reconstruction", optional=True, createByDefault=False
        )
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

        group = LayerGroup(f"geodl: {called}")
        for name, title in (("OUTPUT", "Features"), ("ERROR", "Error")):
            if made[name] and context.willLoadLayerOnCompletion(made[name]):
                group.add(made[name], f"{title}: {called}", context)
        return {name: path for name, path in made.items() if path}
