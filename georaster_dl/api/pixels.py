"""Classifiers, clusterings and tables of pixel values, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from georaster_dl.api.keywords import SceneKeywords, options_of, path_of
from georaster_dl.api.learning.training import GroundKeywords, config_of
from georaster_dl.api.reporting import reporting
from georaster_dl.api.runs import scene_sources
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned, warner
from georaster_dl.core.scene_options import SceneOptions

if TYPE_CHECKING:
    import geopandas

    from georaster_dl.api.scenes import SceneSource
    from georaster_dl.io.scenes.scene import Scene
    from georaster_dl.pixels.classify import Classified
    from georaster_dl.pixels.cluster import Clustered
    from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["classify", "cluster", "extract_spectra"]


def cluster(
    scene: SceneSource,
    *,
    out: str | Path,
    k: int | Literal["auto"] = "auto",
    method: Literal["kmeans", "gmm"] = "kmeans",
    distance: str | Path | None = None,
    quicklook: str | Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
    **options: Unpack[SceneKeywords],
) -> Clustered:
    """Group the valid pixels of a raster by their values and map the groups; as ``geodl cluster``.

    Parameters
    ----------
    scene, report, progress : as ``segment`` takes them.
    out : map to make (.tif).
    k : number of clusters; ``"auto"`` takes the one from 2 to 20 with the best silhouette.
    method : k-means, or a Gaussian mixture (slower, for clusters of different spread).
    distance : raster of each pixel's distance from its cluster's centre; None leaves it out.
    quicklook : PNG of the scene beside the map; None leaves it out.
    seed : of the sample and the start; the same seed gives the same map.
    **options : how the scene is read; ``SceneKeywords``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the raster, the options or the outputs; nothing is left behind.
    """
    from georaster_dl.pixels.cluster import ClusterOptions, ClusterOutputs
    from georaster_dl.pixels.cluster import cluster as run

    outputs = ClusterOutputs(
        Path(out),
        None if distance is None else Path(distance),
        None if quicklook is None else Path(quicklook),
    )
    _check_choice("method", method, ("kmeans", "gmm"))
    if k != "auto" and not isinstance(k, int):
        raise OptionError(f"`k={k!r}` is no number of clusters; give a whole number, or 'auto'.")
    reading = options_of(SceneOptions, options)
    asked = ClusterOptions(reading, k, method, seed, overwrite)
    with reporting(report, progress=progress) as take:
        return run(scene_sources(scene), outputs, asked, take)


def classify(
    features: str | Path,
    labels: str | Path | None = None,
    *,
    out: str | Path,
    classifier: str | Path | None = None,
    method: Literal["svm", "rf"] = "svm",
    save: str | Path | None = None,
    per_polygon: bool = False,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
    **settings: Unpack[GroundKeywords],
) -> Classified:
    """Map classes with a classifier of single pixels, without a network; as ``geodl classify``.

    Parameters
    ----------
    features : path or address of a scene, or of a raster of features.
    labels : vector file or raster to learn from; None with ``classifier``.
    out : map to make (.tif), or with ``per_polygon`` polygons (.gpkg).
    classifier : file that ``save`` made, which is applied instead of learning.
    method : support vector machine, or random forest.
    save : file for the classifier (.skops); None keeps none.
    per_polygon : classify polygons, by mean and standard deviation of their pixels.
    report, progress : as ``segment`` takes them.
    **settings : how raster and labels are read, the split and the seed; ``GroundKeywords``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with raster, labels, options or outputs; nothing is left behind.
    """
    from georaster_dl.pixels import classify as pixels
    from georaster_dl.pixels.polygons import classify_polygons

    _check_choice("method", method, ("svm", "rf"))
    config = config_of(None, settings)
    with reporting(report, progress=progress) as take:
        if classifier is not None:
            return pixels.apply_classifier(
                str(features),
                Path(classifier),
                Path(out),
                config.scene,
                overwrite=overwrite,
                report=take,
            )
        if labels is None:
            raise OptionError(
                "`labels=` to learn from, or a saved `classifier=` to apply is missing; give one of them."
            )
        kept = None if save is None else Path(save)
        options = pixels.ClassifyOptions(method, config, kept, overwrite)
        learn = classify_polygons if per_polygon else pixels.classify
        made = learn(str(features), Path(labels), Path(out), options, take)
        if made.accuracy is not None and made.accuracy.caution:
            take(Warned(made.accuracy.caution))
        return made


def extract_spectra(
    scenes: SceneSource | Sequence[SceneSource],
    features: str | Path | geopandas.GeoDataFrame,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
    **options: Unpack[SceneKeywords],
) -> SpectraTable:
    """Make a table of the spectra at points or in polygons; as ``geodl spectra extract``.

    Parameters
    ----------
    scenes : hyperspectral scenes of one sensor, each a path, pattern, folder, list, open scene or array with a CRS; not
        the files of one scene.
    features : vector file (``file|layername=NAME`` for a layer), or a GeoDataFrame with a CRS; points, each of which has the
        spectrum of its pixel, or polygons, which have the mean of theirs.
    out : table to write (.csv, .xlsx or .parquet); None writes none.
    overwrite : replace a table that exists.
    report, progress : as ``segment`` takes them.
    **options : how each scene is read; ``SceneKeywords``.

    Returns
    -------
    Table of the features that have a spectrum, as ``train_spectra`` takes it: ``spectra`` (n, bands) of physical values,
    ``wavelengths_nm``, and ``columns``, a DataFrame of all fields, ``fid``, ``scene``, ``row``, ``col``, ``pixels`` and
    ``block`` (32 x 32 pixels of a scene).

    Raises
    ------
    GeoRasterError
        Whatever is wrong with scenes, features or output, or when no feature has a spectrum.
    """
    from georaster_dl.api.scenes import as_scene
    from georaster_dl.io.output.staging import Staging
    from georaster_dl.pixels import extract

    reading = options_of(SceneOptions, options)
    given: list[Any] = list(scenes) if isinstance(scenes, list | tuple) else [scenes]
    opened: list[Scene] = []
    for one in given:
        named = isinstance(one, str | Path)
        opened += extract.open_listed([str(one)], reading) if named else [as_scene(one, reading)]
    if not opened:
        raise OptionError("`scenes=` is empty; give at least one scene.")
    of_file = isinstance(features, str | Path)
    title = str(features) if of_file else "the features"
    with reporting(report, progress=progress) as take:
        frame = extract.read_points_or_polygons(Path(title)) if of_file else features
        if out is None:
            return extract.extract_spectra(opened, frame, title, take)
        path = path_of("out", out)
        inputs = [title] if of_file else []
        inputs += [plane.path for scene in opened for plane in scene.planes[:1]]
        with Staging(path, overwrite=overwrite, protect=inputs, warn=warner(take)) as stage:
            table = extract.extract_spectra(opened, frame, title, take)
            extract.write_extracted(table, stage.path(path))
        return table


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise OptionError(f"`{name}={value!r}` is not known; choose {' or '.join(choices)}.")
