"""A scene as an autoencoder gives it back: without what it did not learn to expect."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from georaster_dl.errors import OptionError
from georaster_dl.io.reader import open_scene
from georaster_dl.models.package import read_card
from georaster_dl.predict.options import Report, RunOptions, Summary
from georaster_dl.predict.ready import make_ready

__all__ = ["denoise"]


def denoise(
    sources: str | Path | Sequence[str | Path],
    model: Path,
    output: Path,
    options: RunOptions | None = None,
    report: Report = lambda _event, _facts: None,
) -> Summary:
    """Write the scene that an autoencoder makes of a scene, in physical values.

    Parameters
    ----------
    sources : path or address of the scene, or several single files of it.
    model : package of an autoencoder.
    output : raster to make (COG), float32 with the scene's band names; it appears whole or not at all.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the scene, the model, the output or the device; nothing is left
        behind.
    """
    options = options or RunOptions()
    begun = time.monotonic()
    card = read_card(model)
    if card.task != "autoencoder":
        raise OptionError(
            f"{card.name} predicts {card.predicts}, but denoising needs an autoencoder; make one with "
            f"geodl train --task autoencoder."
        )
    ready = make_ready(
        open_scene(sources, options.scene), model, card, options, report, begun=begun
    )
    with ready.staged([output]) as stage:
        from georaster_dl.predict.planes import SceneTask
        from georaster_dl.predict.rasters import RasterRun, loader

        fit = ready.fit
        rasters = RasterRun(ready, stage, loader(ready), lambda: SceneTask(fit.card, fit.bands))
        found = rasters.run({"scene": output})
    return ready.summary([output], rasters.device.name, found)
