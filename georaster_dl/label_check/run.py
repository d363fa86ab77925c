"""Check of the labels of scenes: polygons that classifiers of other places contradict."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, no_report, warner
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import counted
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.io.scenes.scene import Scene, source_files
from georaster_dl.io.vectors.geopackage import write_geopackage
from georaster_dl.io.vectors.placing import in_degrees
from georaster_dl.io.vectors.suspects import write_suspects
from georaster_dl.label_check.out_of_fold import group_folds, probabilities_out_of_fold
from georaster_dl.label_check.page import suspects_page
from georaster_dl.label_check.pictures import MOST, suspect_tiles
from georaster_dl.label_check.pixels import PolygonPixels, draw_pixels
from georaster_dl.label_check.polygons import LabelPolygons, centres, label_polygons
from georaster_dl.label_check.suspects import Suspects, find_suspects
from georaster_dl.pixels.learn.classifier import Method
from georaster_dl.pixels.learn.folds import Fold, spatial_blocks
from georaster_dl.render.contact_sheet import contact_sheet_png
from georaster_dl.training.data.labelled_scenes import open_labelled_scenes, warn_implausible
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig

__all__ = ["CheckOptions", "Checked", "check_labels"]

_Indexes = npt.NDArray[np.intp]
_Predictions = Iterator[tuple[_Indexes, npt.NDArray[np.float64]]]


@dataclass(frozen=True)
class CheckOptions:
    """Options of checking labels.

    Attributes
    ----------
    config : how scenes and labels are read, and the seed, as a training has them; with the method ``network`` also the
        other settings of networks.
    method : that labels are compared with: ``rf`` or ``svm``, classifiers of pixels, or ``network``.
    clean : GeoPackage of the labels without the suspects, to train on.
    html : page of the suspects in their scenes.
    """

    config: TrainConfig = field(default_factory=TrainConfig)
    method: Method | Literal["network"] = "rf"
    clean: Path | None = None
    overwrite: bool = False
    html: Path | None = None

    def __post_init__(self) -> None:
        """Refuse the time of networks where none are trained.

        Raises
        ------
        OptionError
            When there are minutes, but the method is another one.
        """
        if self.config.training.minutes is not None and self.method != "network":
            raise OptionError(
                f"`minutes={self.config.training.minutes:g}` is the time of networks, but the method is {self.method}; use "
                f"`method='network'`, or leave the minutes out."
            )


@dataclass(frozen=True, repr=False)
class Checked:
    """Labels that were checked.

    Attributes
    ----------
    files : that were made, the list last.
    labels : features by rank, the most suspect first, with the fields of the file.
    judged, suspects : number of labels that could be judged, and of those that are suspect.
    pairs : number of suspects by the class of the label and the class suggested, the most frequent first.
    failed : extra outputs that could not be made, each reported as a warning.
    """

    files: tuple[Path, ...]
    labels: geopandas.GeoDataFrame
    judged: int
    suspects: int
    pairs: dict[tuple[str, str], int]
    seconds: float
    failed: tuple[FailedOutput, ...] = ()

    def __repr__(self) -> str:
        """File, suspects and labels, in one line."""
        return f"<Checked {self.files[-1]}: {self.suspects:,} of {counted(self.judged, 'label')} suspect>"


def check_labels(
    pairs: Sequence[SceneWithLabels],
    out: Path,
    options: CheckOptions | None = None,
    report: Report = no_report,
) -> Checked:
    """Find labels of scenes that are probably wrong, by confident learning on spatial folds.

    Parameters
    ----------
    pairs : scenes with their labels: polygons, lines or points, or rasters, whose areas become polygons.
    out : GeoPackage to make: all labels by rank, the most suspect first, with ``label``, ``suggested``, ``share``
        (of their pixels that are suspect), ``score``, ``pixels`` and ``suspect``; a picture of the first goes beside
        it (.png).
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with scenes, labels, options or outputs; nothing is left behind.
    """
    options = options or CheckOptions()
    begun = time.monotonic()
    warn = warner(report)
    config = options.config
    opened = open_labelled_scenes(pairs, config, warn)
    legend = opened[0].legend
    if legend is None:
        raise OptionError(
            f"Labels of the task {config.task} are no classes, of which wrong ones can be found; use `task='segmentation'`."
        )
    warn_implausible(opened, warn)
    scenes = [each.scene for each in opened]
    sheet = out.with_suffix(".png")
    extras = [sheet, *(path for path in (options.clean, options.html) if path is not None)]
    protect: list[Path | str] = [each.labels for each in opened if each.labels is not None]
    protect += [file for scene in scenes for file in source_files(scene)]
    with Staging(
        out, extras=extras, overwrite=options.overwrite, protect=protect, warn=warn
    ) as stage:
        polygons = label_polygons(opened, legend)
        pixels = draw_pixels(polygons, scenes, config.seed, report)
        sources = [(pair.scene, scene) for pair, scene in zip(pairs, scenes, strict=True)]
        networks = partial(_by_networks, sources, polygons, pixels, legend, config, out, report)
        found = _judged(polygons, pixels, legend, options, networks, warn)
        labels = _frame(polygons, found, legend)
        write_suspects(stage.path(out), labels)
        shown = _scene_of(pixels, len(found))
        draw = partial(suspect_tiles, found, polygons, scenes, shown, legend)
        confused = _pairs(found, legend)
        if found.suspect.any():
            with stage.making(sheet) as path:
                path.write_bytes(contact_sheet_png(draw(), _title(found)))
        if options.html is not None:
            with stage.making(options.html) as path:
                tiles = draw()
                names = [scenes[i].name if len(scenes) > 1 else "" for i in shown[found.order]]
                page = suspects_page(found, tiles, confused, names[: len(tiles)], legend)
                path.write_text(page, encoding="utf-8", errors="backslashreplace")
        if options.clean is not None:
            with stage.making(options.clean) as path:
                write_geopackage(path, _joined(polygons)[~found.suspect])
    return Checked(
        files=tuple(stage.made([*extras, out])),
        labels=labels,
        judged=int((found.items > 0).sum()),
        suspects=int(found.suspect.sum()),
        pairs=confused,
        seconds=time.monotonic() - begun,
        failed=stage.failed,
    )


def _title(found: Suspects) -> str:
    n = int(found.suspect.sum())
    return counted(n, "suspect label") + (f", the first {MOST}" if n > MOST else "")


def _by_networks(
    sources: Sequence[tuple[str, Scene]],
    polygons: Sequence[LabelPolygons],
    pixels: PolygonPixels,
    legend: Legend,
    config: TrainConfig,
    out: Path,
    report: Report,
    folds: Sequence[Fold],
) -> _Predictions:
    from georaster_dl.label_check.networks import FoldNetworks  # torch

    folder = out.absolute().parent
    networks = FoldNetworks(sources, polygons, pixels, legend, config, folder)
    return networks.probabilities(folds, report)


def _judged(
    polygons: Sequence[LabelPolygons],
    pixels: PolygonPixels,
    legend: Legend,
    options: CheckOptions,
    networks: Callable[[Sequence[Fold]], _Predictions],
    warn: Callable[[str], None],
) -> Suspects:
    """Find the suspects among all polygons, by classifiers or networks of other blocks."""
    of_polygons = np.concatenate([each.classes for each in polygons])
    labels = of_polygons[pixels.polygons]
    blocks = spatial_blocks(centres(polygons))[pixels.polygons]
    known = np.flatnonzero(labels >= 0)
    seed = options.config.seed
    of_known = group_folds(labels[known], pixels.polygons[known], blocks[known], seed)
    folds = [(known[taught], known[asked]) for taught, asked in of_known if len(asked)]
    if not folds:
        raise OptionError(
            "Two classes with two labels each on valid pixels are needed to find wrong ones; label more places, or check "
            "`class_field=`."
        )
    n_classes = len(legend.classes)
    probabilities = np.full((len(labels), n_classes), np.nan)
    if options.method == "network":
        predictions = networks(folds)
    else:
        predictions = probabilities_out_of_fold(
            options.method, pixels.values, labels, folds, blocks, n_classes=n_classes, seed=seed
        )
    for asked, predicted in predictions:
        probabilities[asked] = predicted
    found = find_suspects(probabilities, labels, pixels.polygons, n_groups=len(of_polygons))
    _warn_of_unjudged(found, of_polygons, legend, warn)
    return found


def _warn_of_unjudged(
    found: Suspects, classes: _Indexes, legend: Legend, warn: Callable[[str], None]
) -> None:
    missing = (classes >= 0) & (found.items == 0)
    if missing.any():
        names = [legend.names[i] for i in np.unique(classes[missing])]
        warn(
            f"{int(missing.sum()):,} of {counted(int((classes >= 0).sum()), 'label')} not judged ({', '.join(names)}): they "
            f"have no valid pixel, or are the only one of their class"
        )


def _frame(
    polygons: Sequence[LabelPolygons], found: Suspects, legend: Legend
) -> geopandas.GeoDataFrame:
    """Join the features of all files, with rank, suggested class and score."""
    names = np.array([*legend.names, None], object)  # the last is of -1
    rank = np.empty(len(found), np.int64)
    rank[found.order] = np.arange(1, len(found) + 1)
    fields = {
        "rank": rank,
        "label": names[np.concatenate([each.classes for each in polygons])],
        "suggested": names[found.suggested],
        "share": found.share.round(4),
        "score": found.score.round(4),
        "pixels": found.items,
        "suspect": found.suspect.astype(np.int32),
    }
    taken = {name.casefold() for name in fields} | {"fid"}
    joined = _joined(polygons)
    kept = joined[[name for name in joined.columns if str(name).casefold() not in taken]]
    return kept.assign(**fields).sort_values("rank").reset_index(drop=True)


def _joined(polygons: Sequence[LabelPolygons]) -> geopandas.GeoDataFrame:
    """Features of all files, in longitude and latitude where they are in several CRSs."""
    frames = [each.frame for each in polygons]
    if len({frame.crs for frame in frames}) > 1:
        frames = [in_degrees(frame) for frame in frames]
    return pd.concat(frames, ignore_index=True)


def _scene_of(pixels: PolygonPixels, n: int) -> _Indexes:
    """(n,) position of the first scene with pixels of each polygon, -1 where there is none."""
    found = np.full(n, -1, np.intp)
    found[pixels.polygons[::-1]] = pixels.scenes[::-1]
    return found


def _pairs(found: Suspects, legend: Legend) -> dict[tuple[str, str], int]:
    names = legend.names
    chosen = np.flatnonzero(found.suspect)
    of_pairs = Counter((names[found.own[i]], names[found.suggested[i]]) for i in chosen)
    return dict(of_pairs.most_common())
