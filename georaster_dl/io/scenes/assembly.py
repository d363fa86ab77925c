"""Scenes of several files, on the grid of a file among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from georaster_dl.core.bands import MOST_NAMED
from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.modalities import with_modality
from georaster_dl.core.wording import listed
from georaster_dl.io.scenes.grid import ground_sampling, overlap, pixel_side
from georaster_dl.io.scenes.planes import Plane
from georaster_dl.io.scenes.scene import Scene

__all__ = ["RasterFile", "assemble", "join_scenes", "refuse_same_names", "stack_scenes"]


@dataclass(frozen=True)
class RasterFile:
    """One opened raster: its planes and grid, the bands that it marks as transparency, and doubts."""

    planes: tuple[Plane, ...]
    geobox: Georeference
    rpcs: Any
    block: tuple[int, int]
    alpha: tuple[Plane, ...] = ()
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, scene: Scene) -> RasterFile:
        """Take a scene for one file, on its own grid."""
        block = scene.block_rows, scene.block_cols
        return cls(scene.planes, scene.geobox, scene.rpcs, block, scene.alpha, scene.remarks)


def assemble(
    name: str,
    files: Sequence[RasterFile],
    *,
    named: bool = False,
    note: str = "",
    on: RasterFile | None = None,
) -> Scene:
    """Make one scene of many files.

    Parameters
    ----------
    on : file whose grid it gets; the finest where None.
    """
    base = on or min(files, key=_fineness)
    rows, cols = (
        max(
            1,
            *(round(f.block[axis] * base.geobox.shape[axis] / f.geobox.shape[axis]) for f in files),
        )
        for axis in (0, 1)
    )
    return Scene(
        name=name,
        planes=tuple(_at_own_size(plane, file) for file in files for plane in file.planes),
        geobox=base.geobox,
        rpcs=base.rpcs,
        block_rows=rows,
        block_cols=cols,
        named=named,
        note=note,
        alpha=tuple(plane for file in files for plane in file.alpha),
        remarks=tuple(dict.fromkeys(remark for file in files for remark in file.remarks)),
    )


def _fineness(file: RasterFile) -> tuple[bool, float]:
    """Sort key of files: those with a CRS first, on which others can be put; then the finest."""
    return file.geobox.crs is None, pixel_side(file.geobox)


def _at_own_size(plane: Plane, file: RasterFile) -> Plane:
    """Return the plane with the ground sampling distance of its own file."""
    gsd = plane.band.gsd_m or ground_sampling(file.geobox)
    return replace(plane, band=replace(plane.band, gsd_m=gsd))


def stack_scenes(scenes: Sequence[Scene]) -> Scene:
    """Put the bands of several scenes of one place together, on the finest grid among them.

    Raises
    ------
    SceneError
        When a scene does not overlap the finest.
    """
    files = [RasterFile.of(scene) for scene in scenes]
    _check_overlap(files, min(files, key=_fineness))
    name = f"{scenes[0].name} and {len(scenes) - 1} more"
    return assemble(name, files, named=True, note=scenes[0].note)


def join_scenes(scenes: Sequence[Scene], sources: Sequence[str], grid: Path | None) -> Scene:
    """Make one scene of files, products and items of one place.

    Parameters
    ----------
    scenes : each as it is alone.
    sources : path or address of each.
    grid : the source whose grid the scene gets; the finest where None.

    Raises
    ------
    SceneError
        When a file is given twice, or one does not overlap that whose grid is taken.
    OptionError
        When ``grid`` is none of the sources.
    """
    _refuse_repeated(sources)
    files = [
        replace(
            file, planes=tuple(_of_source(plane, source, len(file.planes)) for plane in file.planes)
        )
        for file, source in zip(map(RasterFile.of, scenes), sources, strict=True)
    ]
    base = min(files, key=_fineness) if grid is None else files[_place(grid, sources)]
    _check_overlap(files, base)
    notes = dict.fromkeys(scene.note for scene in scenes if scene.note)
    return assemble(
        f"{sources[0]} and {len(sources) - 1} more",
        files,
        named=any(scene.named for scene in scenes),
        note=", ".join(notes),
        on=base,
    )


def _of_source(plane: Plane, source: str, planes: int) -> Plane:
    """Name an only plane without a name after its file, and its modality where nothing else does."""
    band, stem = plane.band, Path(source).stem
    if planes == 1 and band.name.startswith("band_"):
        band = replace(band, name=stem)
    return replace(plane, band=with_modality(band, stem), source=source)


def _refuse_repeated(sources: Sequence[str]) -> None:
    seen: set[str] = set()
    for source in sources:
        same = str(Path(source).resolve()) if Path(source).exists() else source
        if same in seen:
            raise SceneError(
                f"{source} is given twice for one scene; name each file once, and files of another scene in a run of "
                f"their own."
            )
        seen.add(same)


def _place(grid: Path, sources: Sequence[str]) -> int:
    """Find the source that a user means by a path, an address or the name of a file."""
    wanted = Path(grid)
    meant = [
        i
        for i, s in enumerate(sources)
        if s == str(grid) or Path(s).absolute() == wanted.absolute()
    ]
    meant = meant or [i for i, s in enumerate(sources) if Path(s).name == str(grid)]
    if len(meant) != 1:
        raise OptionError(
            f"`grid={str(grid)!r}` is none of the scene's files, whose grid it could get; name one of "
            f"{listed(sources, MOST_NAMED)}."
        )
    return meant[0]


def _check_overlap(files: Sequence[RasterFile], base: RasterFile) -> None:
    """Check that all files overlap the one on whose grid they are read."""
    for file in files:
        if not overlap(base.geobox, file.geobox):
            raise SceneError(
                f"{file.planes[0].path} does not overlap {base.planes[0].path}, so they are no scene together; "
                f"give files of one place."
            )


def refuse_same_names(scene: Scene) -> None:
    """Refuse bands of one name in different files, of which a model would read any.

    Raises
    ------
    SceneError
        When there are such bands; it says how to name them.
    """
    files: dict[str, list[str]] = {}
    for plane in scene.planes:
        files.setdefault(plane.band.name.casefold(), []).append(plane.source)
    shared = {name: paths for name, paths in files.items() if len(set(paths)) > 1}
    if not shared:
        return
    paths = next(iter(shared.values()))
    names = [
        p.band.name
        for p in scene.planes
        if p.source == paths[0] and p.band.name.casefold() in shared
    ]
    present = ",".join(plane.band.name for plane in scene.planes[:MOST_NAMED])
    raise SceneError(
        f"{paths[0]} and {paths[-1]} both have {listed(names, MOST_NAMED)}, so these bands could be mixed up; name all "
        f"{len(scene.planes)} bands in the order of the files, each with a name of its own, with `bands=` (now "
        f"{present})."
    )
