"""Simulated spectra with their targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from georaster_dl.api.keywords import path_of
from georaster_dl.api.reporting import reporting
from georaster_dl.api.scenes import SceneSource, as_scene
from georaster_dl.api.spectra import as_table, check_names, files_of
from georaster_dl.core.events import Report, warner
from georaster_dl.core.scene_options import SceneOptions

if TYPE_CHECKING:
    import pandas as pd

    from georaster_dl.io.scenes.scene import Scene
    from georaster_dl.spectra.simulate.result import Simulated
    from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["SimulateKeywords", "simulate_spectra"]


class SimulateKeywords(TypedDict, total=False):
    """Keywords of the methods of simulation, by the names of the options of ``geodl spectra simulate``.

    Attributes
    ----------
    class_field : column of the library with the classes.
    targets : columns of the library with values.
    within_classes : mix spectra of the same class, which is the target then.
    parts : probability of each number of spectra in a mixture.
    proportions : in which classes are drawn, 1 each where not given.
    brightness : range of a factor on each mixture.
    shade : give half of the mixtures a black part.
    noise : standard deviation of noise in each band.
    noise_of : scene whose noise and variation from pixel to pixel mixtures get.
    bilinear : add light that meets two parts in turn.
    dimensions : principal components of ``gaussian``.
    traits : (least, largest) values that ``prospect`` and ``prosail`` draw traits evenly within, such as ``{"lai": (0, 6)}``.
    soils : spectra of bare soils under the plants of ``prosail``.
    gan_loss : ``"wasserstein"``, or ``"original"``, by which discriminator and generator take turns.
    gan_steps : training steps of the generator of ``gan``, 3000.
    """

    class_field: str | None
    targets: Sequence[str]
    within_classes: bool
    parts: Mapping[int, float]
    proportions: Mapping[str, float]
    brightness: tuple[float, float]
    shade: bool
    noise: float
    noise_of: SceneSource
    bilinear: bool
    dimensions: int
    traits: Mapping[str, tuple[float, float]]
    soils: SpectraTable | pd.DataFrame | str | Path
    gan_loss: Literal["wasserstein", "original"]
    gan_steps: int


def simulate_spectra(
    library: SpectraTable | pd.DataFrame | str | Path | Sequence[str | Path] | None = None,
    *,
    method: Literal["mixtures", "gaussian", "gan", "prospect", "prosail"],
    n: int = 5000,
    out: str | Path | None = None,
    add: Sequence[SpectraTable | pd.DataFrame | str | Path] = (),
    for_: SceneSource | None = None,
    scale: float | None = None,
    quantity: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    report: Report | None = None,
    **options: Unpack[SimulateKeywords],
) -> Simulated:
    """Simulate spectra with their targets; as ``geodl spectra simulate``.

    Parameters
    ----------
    library : measured spectra, a table of ``read_spectra`` or what that takes; None for methods that need none.
    method : ``"mixtures"`` of library spectra, ``"gaussian"`` draws from the distribution of each class, ``"gan"``, a
        network that learns from at least 30 spectra of each, ``"prospect"`` leaves, or ``"prosail"`` pixels with plants on soil.
    n : number of spectra.
    out : table to write (.parquet, .csv or .xlsx).
    add : further libraries, put below the first.
    for_ : scene whose bands the spectra get, without those of water vapour, and whose noise mixtures get, unless
        ``noise`` or ``noise_of`` says otherwise (``noise=0``: none); or ``"sentinel-2"``.
    scale : factor on the values of ``library``, such as 0.0001 where they are 0 to 10,000.
    quantity : that the spectra hold; reflectance where their size allows it.
    seed : of all random numbers; the same gives the same spectra.
    overwrite : replace a table that exists.
    report : called with warnings, and with the progress of ``gan``; warnings are Python warnings where None.
    **options : of the method; ``SimulateKeywords``.

    Returns
    -------
    ``spectra`` (n, bands), ``wavelengths_nm``, ``columns`` of targets, and ``frame()``, a DataFrame of all.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with library, scene, options or output.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> bands = [f"{nm} nm" for nm in range(500, 900, 40)]
    >>> library = pd.DataFrame(np.random.rand(6, 10), columns=bands).assign(cover=list("aabbcc"))
    >>> mixed = simulate_spectra(library, method="mixtures", n=100, class_field="cover")
    >>> mixed.spectra.shape, list(mixed.columns)
    ((100, 10), ['a', 'b', 'c'])
    """
    from georaster_dl.spectra.simulate.bands import SENSORS, scene_bands
    from georaster_dl.spectra.simulate.run import Request, simulate_from

    check_names(options, SimulateKeywords)
    given: dict[str, Any] = {k: v for k, v in options.items() if v is not None and v is not False}
    with reporting(report) as take:
        tables = [as_table(each, {}, take) for each in (library, *add) if each is not None]
        bands, scene = SENSORS.get(for_) if isinstance(for_, str) else None, None
        if for_ is not None and bands is None:
            scene = _scene(for_)
            bands = scene_bands(scene)
        if "soils" in given:
            given["soils"] = as_table(given["soils"], {}, take)
        if "noise_of" in given:
            given["noise_of"] = _scene(given["noise_of"])
        request = Request(method, n, seed, given, bands, scene, scale, quantity)
        made = simulate_from(tables, request, take)
        if out is not None:
            _write(made, path_of("out", out), [library, *add], overwrite, take)
    return made


def _scene(source: SceneSource) -> Scene:
    from georaster_dl.io.scenes.empty_bands import without_empty_bands

    return without_empty_bands(as_scene(source, SceneOptions()))


def _write(
    made: Simulated, path: Path, libraries: Sequence[Any], overwrite: bool, report: Report
) -> None:
    from georaster_dl.io.output.staging import Staging

    inputs = [file for one in libraries if one is not None for file in files_of(one)]
    with Staging(path, overwrite=overwrite, protect=inputs, warn=warner(report)) as stage:
        made.write(stage.path(path))
