"""Rasters of features: the channels of a network's layer for every pixel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, no_report
from georaster_dl.io.output.staging import Staging
from georaster_dl.io.scenes.reader import Sources
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import read_card
from georaster_dl.predict.context import RunContext
from georaster_dl.predict.engine.network_cache import NetworkCache, of_process
from georaster_dl.predict.matching.scene_match import match_scene
from georaster_dl.predict.options import (
    FeatureOptions,
    FeatureOutputs,
    Findings,
    Summary,
)
from georaster_dl.predict.prepare import open_input, prepare
from georaster_dl.predict.run import SceneRun

if TYPE_CHECKING:
    from georaster_dl.predict.outputs.rasters import RasterRun

__all__ = ["FeatureRun", "features"]

_FAR = 3.0  # times the error in the model's own test


def features(
    sources: Sources,
    model: Path,
    outputs: FeatureOutputs,
    options: FeatureOptions | None = None,
    report: Report = no_report,
) -> Summary:
    """Write the features that a model has of every pixel of a scene: one band each.

    Parameters
    ----------
    sources : path or address of the scene, several single files of it, or an open scene.
    model : model package of any task.
    outputs : files to make. All appear at the end, or none; an extra one that fails is left out, with
        a warning and in the summary's ``failed``.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the scene, the model, its layer, the outputs or the device; nothing
        is left behind.
    """
    return FeatureRun(sources, model, outputs, options or FeatureOptions(), report).whole()


class FeatureRun(SceneRun):
    """Features of a scene that can be made; parameters and errors are those of ``features``."""

    def __init__(
        self,
        sources: Sources,
        model: Path,
        outputs: FeatureOutputs,
        options: FeatureOptions,
        report: Report,
        networks: NetworkCache = of_process,
    ) -> None:
        card = read_card(model)
        if outputs.error is not None and card.task != "autoencoder":
            raise OptionError(
                f"`error=` is how badly an autoencoder reconstructs a pixel, but {card.name} predicts "
                f"{card.predicts}; leave it out, or use a model of `train(task='autoencoder')`."
            )
        if outputs.error is not None and card.fills_hidden:
            raise OptionError(
                f"`error=` is how badly an autoencoder gives back what it sees, but {card.name} learnt to fill hidden "
                f"squares; leave it out, or use a model trained with corruption.hidden = 0."
            )
        if card.series is not None:
            raise OptionError(
                f"{card.name} reads time series, of which features are not written; map them with "
                f"`geodl timeseries classify`."
            )
        if options.halo == "auto" and card.halo.exact is not None:
            # A halo that is enough for classes to stay the same leaves seams in the features.
            options = replace(options, halo="exact")
        context = RunContext(options, report, networks)
        scene = open_input(sources, options.scene)
        match = match_scene(scene, card, resample=options.resample)
        super().__init__(prepare(scene, match, model, outputs.all(), context))
        self._outputs = outputs
        self._options = options

    def _rasters(self) -> tuple[RasterRun, dict[str, Path]]:
        from georaster_dl.models.runtime.features import FeatureNetwork
        from georaster_dl.predict.outputs.feature_raster import FeatureTask
        from georaster_dl.predict.outputs.rasters import RasterRun, loader

        bands, layer = len(self.prepared.match.card.bands), self._options.layer
        error = self._outputs.error is not None
        # Before the rasters are made: how many features there are is only known of the network.
        rewritten = loader(
            self.prepared,
            lambda network: FeatureNetwork(network, bands, layer, error=error),
            ("features", layer, error),
        )()
        network = cast("FeatureNetwork", rewritten.network)

        def task() -> FeatureTask:
            return FeatureTask(network.features, network.layer, packed=self._options.packed)

        paths: dict[str, Path] = {"features": self._outputs.features}
        if self._outputs.error is not None:
            paths["error"] = self._outputs.error
        return RasterRun(self.prepared, lambda: rewritten, task), paths

    def _complete(self, stage: Staging, found: Findings) -> Findings:
        _check_error(self.prepared.match.card, found, self.prepared.context)
        return found


def _check_error(card: Card, found: Findings, context: RunContext) -> None:
    """Warn where the reconstruction error is far above that of the autoencoder's test."""
    usual = [value for name, value in card.metrics.items() if name.startswith("RMSE, clean input")]
    error = found.values.get("reconstruction error")
    if error is not None and usual and error.mean > _FAR * usual[0]:
        message = (
            f"{card.name} gives this scene back with an error of {error.mean:.2g} standard deviations "
            f"(mean), on its own test ground with {usual[0]:.2g}: the scene is unlike what it learnt, and "
            f"its features mean little here"
        )
        context.warn(message)
