"""Groups of alike pixels, without labels."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingParameterRasterDestination

from georaster_dl_qgis.algorithms.scene_algorithm import SceneAlgorithm
from georaster_dl_qgis.algorithms.scene_reading import add_reading, reading
from georaster_dl_qgis.parameters.definitions import choice, number, wanted_raster
from georaster_dl_qgis.results.layer_group import load_layers

__all__ = ["Cluster"]

_METHODS = ["kmeans", "gmm"]
_MOST = 254


class Cluster(SceneAlgorithm):
    """Runs ``geodl cluster``."""

    NAME = "cluster"
    TITLE = "Cluster pixels"
    GROUP = "Maps"
    TAGS = (*SceneAlgorithm.TAGS, "clustering", "unsupervised", "k-means", "Gaussian mixture")
    HELP = (
        "Puts the pixels of a scene, or of a raster of features, into groups of alike ones. No labels are needed; "
        "what a group is, you say afterwards. The largest group is number 1."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add_scene()
        clusters = number(
            "K", "Number of clusters (empty: found from 2 to 20)", least=2, most=_MOST
        )
        self.add(clusters, "Empty: the number with the best silhouette, which takes longer.")
        method = choice("METHOD", "Method", _METHODS, _METHODS[0])
        self.add(method, "k-means, or a Gaussian mixture (gmm): slower, for clusters of different spread.")  # fmt: skip
        add_reading(self)
        output = QgsProcessingParameterRasterDestination("OUTPUT", "Clusters")
        self.add(output, "GeoTIFF with a colour for each cluster.")
        distance = wanted_raster("DISTANCE", "Distance from the cluster's centre")
        self.add(distance, "In standard deviations of the bands: high where a pixel is of no cluster.")  # fmt: skip

    def check(self, values) -> None:
        self.scene(values)

    def execute(self, values, context, feedback) -> dict[str, Any]:
        scene, name = self.scene(values)
        made = {key: values.output(key) for key in ("OUTPUT", "DISTANCE")}
        arguments = ["cluster", scene, "-o", made["OUTPUT"], "-k", values.text("K") or "auto"]
        arguments += [*values.options("METHOD"), *reading(values)]
        arguments += [f"--distance={made['DISTANCE']}"] if made["DISTANCE"] else []
        self.geodl([*arguments, "--progress", "json", "--overwrite"], feedback)
        shown = {made["OUTPUT"]: f"Clusters: {name}", made["DISTANCE"]: f"Distance: {name}"}
        load_layers(name, shown, context)
        return {key: path for key, path in made.items() if path}
