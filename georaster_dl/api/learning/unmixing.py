"""Unmixing of scenes: members and the fraction of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from georaster_dl.api.keywords import SceneKeywords, options_of
from georaster_dl.api.reporting import reporting
from georaster_dl.api.runs import scene_sources
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report
from georaster_dl.core.scene_options import SceneOptions

if TYPE_CHECKING:
    from georaster_dl.api.scenes import SceneSource
    from georaster_dl.unmixing.run import Unmixed

__all__ = ["unmix"]


def unmix(
    scene: SceneSource,
    *,
    out: str | Path,
    k: int | Literal["auto"] | None = None,
    members: str | Path | Sequence[str | Path] | None = None,
    class_field: str | None = None,
    members_scale: float | None = None,
    search: Literal["nfindr", "vca"] = "nfindr",
    method: Literal["fcls", "autoencoder"] = "fcls",
    shade: bool = False,
    smoothness: float = 0.0,
    bilinear: bool = False,
    error: str | Path | None = None,
    save_model: str | Path | None = None,
    quicklook: str | Path | None = None,
    float32: bool = False,
    seed: int = 0,
    overwrite: bool = False,
    report: Report | None = None,
    progress: bool = False,
    **options: Unpack[SceneKeywords],
) -> Unmixed:
    """Unmix the pixels of a scene into members and map the fraction of each; as ``geodl unmix``.

    Parameters
    ----------
    scene, report, progress : as ``segment`` takes them.
    out : map to make (.tif); the table of members (.csv) and their picture (.png) are written beside it.
    k : number of members to find in the scene; None and ``"auto"`` choose it by the error.
    members : table of spectra that are the members, or several files whose rows are joined; None finds them.
    class_field : column of that table, the means of whose classes are the members.
    members_scale : by which the table's numbers are multiplied to be in the unit of the scene.
    search : N-FINDR, or vertex component analysis.
    method : fully constrained least squares, or an autoencoder that starts from the members and changes them.
    shade : let black take part in each mixture of least squares; fractions are then of what is lit.
    smoothness, bilinear : of the autoencoder: weight of smooth fractions; light that members reflect of each other.
    error : raster of what the members leave unexplained; None leaves it out.
    save_model : model package (.safetensors) that repeats the map on other scenes; None keeps none.
    quicklook : PNG of the scene beside the map; None leaves it out.
    float32 : store fractions as float32, not in steps of 0.004.
    seed : of the sample and the search; the same seed gives the same map.
    **options : how the scene is read; ``SceneKeywords``.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the raster, the table, the options or the outputs; nothing is left behind.
    """
    from georaster_dl.unmixing.options import METHODS, UnmixOptions, UnmixOutputs
    from georaster_dl.unmixing.run import unmix as run
    from georaster_dl.unmixing.search import SEARCHES

    for name, value, choices in (("search", search, SEARCHES), ("method", method, METHODS)):
        if value not in choices:
            raise OptionError(f"`{name}={value!r}` is not known; choose {' or '.join(choices)}.")
    if k not in ("auto", None) and not isinstance(k, int):
        raise OptionError(f"`k={k!r}` is no number of members; give a whole number, or 'auto'.")
    outputs = UnmixOutputs(Path(out), _path(error), _path(quicklook), _path(save_model))
    asked = UnmixOptions(
        scene=options_of(SceneOptions, options),
        k=k,
        members=_paths(members),
        class_field=class_field,
        members_scale=members_scale,
        search=search,
        method=method,
        shade=shade,
        smoothness=smoothness,
        bilinear=bilinear,
        float32=float32,
        seed=seed,
        overwrite=overwrite,
    )
    with reporting(report, progress=progress) as take:
        return run(scene_sources(scene), outputs, asked, take)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _paths(given: str | Path | Sequence[str | Path] | None) -> tuple[Path, ...]:
    if given is None:
        return ()
    return (Path(given),) if isinstance(given, str | Path) else tuple(map(Path, given))
