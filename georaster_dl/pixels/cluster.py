"""Maps of clusters of pixels with similar values, without labels."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, SceneStarted, Warned, no_report
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.output.provenance import provenance
from georaster_dl.io.output.staging import FailedOutput
from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.io.scenes.reader import Sources, open_scene
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.io.shown import ShownResult
from georaster_dl.pixels.inputs.strips import sample_pixels, usable_bands, warn_doubts
from georaster_dl.pixels.learn.clustering import Clustering, Method, choose_k, fit_clusters
from georaster_dl.pixels.mapping import ChannelRaster, channel, map_pixels
from georaster_dl.predict.outputs.kinds import class_spec
from georaster_dl.predict.outputs.output_raster import ClassCounts, class_raster, value_raster
from georaster_dl.predict.outputs.overview import write_class_overview
from georaster_dl.predict.outputs.staged import staged_outputs
from georaster_dl.predict.progress import Progress
from georaster_dl.render.palette import palette

__all__ = ["ClusterOptions", "ClusterOutputs", "Clustered", "cluster"]

_MOST_CLUSTERS = 254  # a byte less the nodata value; 0 stays free
_MOST_PIXELS = {"kmeans": 200_000, "gmm": 50_000}  # a mixture takes far longer for each
_DISTANCE = RasterSpec(["distance from the cluster's centre"], "float32", math.nan, "average")


@dataclass(frozen=True)
class ClusterOutputs:
    """Files to make; only the map always is.

    Attributes
    ----------
    map : raster (COG) of cluster numbers.
    distance : raster of each pixel's distance from its cluster's centre.
    quicklook : PNG of the scene beside the map.
    """

    map: Path
    distance: Path | None = None
    quicklook: Path | None = None

    def all(self) -> list[Path]:
        """The files, the map last."""
        return [path for path in (self.distance, self.quicklook) if path is not None] + [self.map]


@dataclass(frozen=True)
class ClusterOptions:
    """How to cluster.

    Attributes
    ----------
    scene : what the user knows better than the file.
    k : number of clusters; ``auto`` takes the one from 2 to 20 with the best silhouette.
    """

    scene: SceneOptions = field(default_factory=SceneOptions)
    k: int | Literal["auto"] = "auto"
    method: Method = "kmeans"
    seed: int = 0
    overwrite: bool = False


@dataclass(frozen=True)
class Clustered(ShownResult):
    """Result of a clustering.

    Attributes
    ----------
    files : written files, the map last.
    counts : pixels of each cluster, by name, the largest of the sample first.
    scores : silhouette of each number of clusters that was tried; empty where it was given.
    sampled : pixels that the clusters were found in.
    pixels : of the raster, valid or not.
    failed : extra outputs, and styles, that could not be written; each was reported as a warning.
    """

    files: tuple[Path, ...]
    counts: dict[str, int]
    scores: dict[int, float]
    sampled: int
    pixels: int
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


def cluster(
    sources: Sources,
    outputs: ClusterOutputs,
    options: ClusterOptions | None = None,
    report: Report = no_report,
) -> Clustered:
    """Group the valid pixels of a raster by their values and map the groups.

    The clusters are found in a random sample; a second pass gives every pixel to one. Values are
    standardised band by band. The same seed gives the same map.

    Parameters
    ----------
    sources : path or address of the raster, several single files of it, or an open scene.
    outputs : files to make. All appear at the end, or none; an extra one that fails is left out, with
        a warning and in the result's ``failed``.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the raster, the options or the outputs; nothing is left behind.
    """
    options = options or ClusterOptions()
    _check_k(options.k)
    begun = time.monotonic()
    scene = usable_bands(open_scene(sources, options.scene))
    warn_doubts(scene, report)
    with staged_outputs(
        outputs.all(), [], lambda: scene, overwrite=options.overwrite, report=report
    ) as stage:
        rows, cols = scene.shape
        report(SceneStarted("cpu", scene.name, rows, cols))
        progress = Progress(2 * rows * cols, report)  # read twice
        sample, _ = sample_pixels(scene, _MOST_PIXELS[options.method], options.seed, progress)
        scores = choose_k(sample, options.method, options.seed) if options.k == "auto" else {}
        k = options.k if options.k != "auto" else max(scores, key=lambda k: scores[k])
        clustering = fit_clusters(sample, k, options.method, options.seed)
        _warn_constant_bands(scene, clustering, report)
        legend = _legend(k)
        counts = ClassCounts(legend)
        rasters: dict[Path, ChannelRaster] = {
            outputs.map: class_raster(class_spec("clusters", legend), channel(0), counts)
        }
        if outputs.distance is not None:
            rasters[outputs.distance] = value_raster(_DISTANCE, channel(1))
        tags = provenance(
            scene,
            options.scene,
            model=f"{options.method}, {k} clusters",
            parameters={"method": options.method, "k": k, "seed": options.seed},
        )

        map_pixels(
            scene,
            lambda values: clustering.assign(values)[: len(rasters)],
            rasters,
            stage,
            tags,
            progress,
        )
        if outputs.quicklook is not None:
            with stage.making(outputs.quicklook) as picture:
                write_class_overview(
                    scene, stage.path(outputs.map), picture, legend, counts.by_name()
                )
    written, seconds = tuple(stage.made(outputs.all())), time.monotonic() - begun
    return Clustered(
        written, counts.by_name(), scores, len(sample), rows * cols, seconds, stage.failed
    )


def _check_k(k: int | Literal["auto"]) -> None:
    if k != "auto" and not 2 <= k <= _MOST_CLUSTERS:
        raise OptionError(
            f"`k=` is {k}, but a map of clusters has 2 to {_MOST_CLUSTERS} of them; give such a number, "
            f"or auto."
        )


def _warn_constant_bands(scene: Scene, clustering: Clustering, report: Report) -> None:
    constant = [band.name for i, band in enumerate(scene.bands) if i not in clustering.bands]
    if constant:
        message = f"left out, because all pixels have one value there: {', '.join(constant)}"
        report(Warned(message))


def _legend(k: int) -> Legend:
    return Legend(
        tuple(
            MapClass(number, f"cluster {number}", color)
            for number, color in enumerate(palette(k), 1)
        )
    )
