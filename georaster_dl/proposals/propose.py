"""Proposals of areas to label: mapping, choice, and the files."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import shapely

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, no_report, warner
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import counted
from georaster_dl.io.labels.read import is_vector
from georaster_dl.io.labels.zones import read_zones
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.io.scenes.reader import Sources
from georaster_dl.io.scenes.scene import source_files
from georaster_dl.io.vectors.areas import write_areas
from georaster_dl.io.vectors.placing import in_degrees
from georaster_dl.models.package.file import read_card
from georaster_dl.proposals.candidates import Candidates, choose_areas, find_candidates, leave_out
from georaster_dl.proposals.cells import Cells, Parcels
from georaster_dl.proposals.contact_sheet import write_contact_sheet
from georaster_dl.proposals.options import ProposeOptions
from georaster_dl.proposals.scene_checks import overlapping, refuse_repeated, scene_title
from georaster_dl.proposals.scene_scores import SceneCandidates, prepare_scene

__all__ = ["Proposed", "open_scenes", "propose"]


@dataclass(frozen=True, repr=False)
class Proposed:
    """Areas that were proposed.

    Attributes
    ----------
    files : that were made, the areas last.
    model : package that was asked.
    areas : polygons in the order of their rank, with the fields of the file.
    candidates : number of areas that they were chosen from.
    pixels : of all scenes.
    failed : extra outputs that could not be made, each reported as a warning.
    """

    files: tuple[Path, ...]
    model: Path
    areas: geopandas.GeoDataFrame
    candidates: int
    pixels: int
    seconds: float
    failed: tuple[FailedOutput, ...] = ()

    def __repr__(self) -> str:
        """File, areas and candidates, in one line."""
        return f"<Proposed {self.files[-1]}: {len(self.areas):,} of {counted(self.candidates, 'area')}>"


def propose(
    scenes: Sequence[Sources],
    model: Path,
    out: Path,
    options: ProposeOptions | None = None,
    report: Report = no_report,
) -> Proposed:
    """Propose the areas whose labels would help a model most.

    Every scene is mapped once; its cells, or parcels, compete with those of the others. An area's score
    is the mean uncertainty of its valid pixels, but for those at the borders between classes, which are
    uncertain everywhere. Areas that are mostly nodata, or hold labels already, are left out, as are scenes
    without a valid pixel, or beside the parcels or the area of interest, with a warning.

    Parameters
    ----------
    scenes : path or address of each scene, or several single files of it.
    model : model package with classes.
    out : GeoPackage of the areas to make; a picture of them of the same name (.png) goes beside it.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with scenes, model, labels, parcels or outputs; nothing is left behind.
    """
    options = options or ProposeOptions()
    begun = time.monotonic()
    opened = open_scenes(scenes, model, options, report)
    sheet = out.with_suffix(".png")
    protect: list[Path | str] = [model, *options.members, *_given(options)]
    if out.exists() or sheet.exists():
        protect += [file for each in opened for file in source_files(each.scene)]
    staging = Staging(
        out, extras=[sheet], overwrite=options.overwrite, protect=protect, warn=warner(report)
    )
    with staging as stage:
        candidates = find_candidates(opened, options, warner(report))
        chosen = choose_areas(candidates, options, warner(report))
        legend = opened[0].legend
        areas = _polygons(opened, chosen, legend)
        write_areas(stage.path(out), areas, legend)
        with stage.making(sheet) as path:
            write_contact_sheet(path, opened, chosen, legend)
    return Proposed(
        files=tuple(stage.made([sheet, out])),
        model=model,
        areas=areas,
        candidates=len(candidates),
        pixels=sum(each.scene.shape[0] * each.scene.shape[1] for each in opened),
        seconds=time.monotonic() - begun,
        failed=stage.failed,
    )


def _given(options: ProposeOptions) -> list[Path]:
    files = (options.aoi, options.parcels, options.labels)
    return [file for file in files if file is not None]


def open_scenes(
    scenes: Sequence[Sources], model: Path, options: ProposeOptions, report: Report = no_report
) -> list[SceneCandidates]:
    """Open and check all scenes, with their cells or parcels; warn of those that overlap.

    Parameters
    ----------
    scenes, model, report : as ``propose`` takes them.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with scenes, model or parcels; a scene beside the parcels or the area of interest
        is left out as long as another is not.
    """
    refuse_repeated(scenes)
    card = read_card(model)
    if not card.classes:
        raise OptionError(
            f"{card.name} predicts {card.predicts}, and no classes of which it could be uncertain; name a model "
            f"of classes (`train(task='segmentation')`)."
        )
    parcels = None if options.parcels is None else _read_parcels(options.parcels)
    beside: list[tuple[str, OptionError]] = []
    opened = []
    for sources in scenes:
        try:
            prepared, choice, geobox = prepare_scene(sources, model, card, options, report)
            zones = (
                Cells(prepared.match.scene.shape, options.cell)
                if parcels is None
                else Parcels(parcels, geobox, str(options.parcels))
            )
        except OptionError as error:
            if options.aoi is None and parcels is None:
                raise
            beside.append((scene_title(sources), error))
        else:
            opened.append(SceneCandidates(prepared, choice, geobox, zones))
    leave_out(beside, len(scenes), warner(report))
    _warn_of_overlaps(opened, options, warner(report))
    return opened


def _warn_of_overlaps(
    opened: Sequence[SceneCandidates], options: ProposeOptions, warn: Callable[[str], None]
) -> None:
    names = overlapping(
        [Path(each.scene.name).name for each in opened], [each.geobox for each in opened]
    )
    if names:
        twice = "the same ground may be proposed twice, and " if options.parcels is None else ""
        warn(
            f"{names} overlap: {twice}a label applies to each scene that it is trained with; where the ground "
            f"has changed between their dates, train on the scene that the area was proposed of"
        )


def _read_parcels(path: Path) -> geopandas.GeoDataFrame:
    if not path.exists() or not is_vector(path):
        what = "is a raster" if path.exists() else "does not exist"
        raise OptionError(f"`parcels={path}` {what}; give a vector file of polygons.")
    return read_zones(path)


def _polygons(
    opened: Sequence[SceneCandidates], chosen: Candidates, legend: Legend
) -> geopandas.GeoDataFrame:
    """Make the polygons of the areas, in longitude and latitude where the scenes have several CRSs."""
    names = np.array(legend.names, dtype=object)
    frames = []
    for index in np.unique(chosen.scene):
        here = np.flatnonzero(chosen.scene == index)
        each = opened[index]
        fields = {
            "rank": here + 1,
            "score": chosen.score[here].round(6),
            "scene": Path(each.scene.name).name,
            "suggested": names[chosen.classes[here]],
            "class": np.full(len(here), None, dtype=object),
        }
        outlines = each.zones.outlines(chosen.number[here])
        shapes = [
            shapely.affinity.affine_transform(one, each.geobox.affine.to_shapely())
            for one in outlines
        ]
        frames.append(geopandas.GeoDataFrame(fields, geometry=shapes, crs=each.geobox.crs.to_wkt()))
    if len({frame.crs for frame in frames}) > 1:
        frames = [in_degrees(frame) for frame in frames]
    return pd.concat(frames).sort_values("rank").reset_index(drop=True)
