"""Denoising: a scene as an autoencoder reconstructs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, no_report
from georaster_dl.io.scenes.reader import Sources
from georaster_dl.models.package.file import read_card
from georaster_dl.predict.context import RunContext
from georaster_dl.predict.engine.network_cache import NetworkCache, of_process
from georaster_dl.predict.matching.scene_match import match_scene
from georaster_dl.predict.options import RunOptions, Summary
from georaster_dl.predict.prepare import open_input, prepare
from georaster_dl.predict.run import SceneRun

if TYPE_CHECKING:
    from georaster_dl.predict.outputs.rasters import RasterRun

__all__ = ["denoise"]


def denoise(
    sources: Sources,
    model: Path,
    output: Path,
    options: RunOptions | None = None,
    report: Report = no_report,
) -> Summary:
    """Write the scene that an autoencoder makes of a scene, in physical values.

    Parameters
    ----------
    sources : path or address of the scene, several single files of it, or an open scene.
    model : package of an autoencoder.
    output : raster to make (COG), float32 with the scene's band names; it appears whole or not at all.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the scene, the model, the output or the device; nothing is left
        behind.
    """
    return DenoiseRun(sources, model, output, options or RunOptions(), report).whole()


class DenoiseRun(SceneRun):
    """A denoised scene that can be made; parameters and errors are those of ``denoise``."""

    def __init__(
        self,
        sources: Sources,
        model: Path,
        output: Path,
        options: RunOptions,
        report: Report,
        networks: NetworkCache = of_process,
    ) -> None:
        context = RunContext(options, report, networks)
        card = read_card(model)
        if card.task != "autoencoder":
            raise OptionError(
                f"{card.name} predicts {card.predicts}, but denoising needs an autoencoder; make one "
                f"with `train(task='autoencoder')`."
            )
        if card.fills_hidden:
            raise OptionError(
                f"{card.name} learnt to fill hidden squares, not to give back what it sees; use an autoencoder "
                f"trained with corruption.hidden = 0."
            )
        scene = open_input(sources, options.scene)
        match = match_scene(scene, card, resample=options.resample)
        super().__init__(prepare(scene, match, model, [output], context))

    def _rasters(self) -> tuple[RasterRun, dict[str, Path]]:
        from georaster_dl.predict.outputs.feature_raster import SceneTask
        from georaster_dl.predict.outputs.rasters import RasterRun, loader

        prepared, match = self.prepared, self.prepared.match
        rasters = RasterRun(prepared, loader(prepared), lambda: SceneTask(match.card, match.bands))
        return rasters, {"scene": prepared.files[0]}
