"""Models loaded by name or path, which predict in memory."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, Unpack

from georaster_dl.api.keywords import MapKeywords, options_of
from georaster_dl.api.reporting import reporting
from georaster_dl.api.scenes import SceneSource, as_scene
from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned
from georaster_dl.core.geography import centre_of
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.raster import Raster
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import find_model, read_card
from georaster_dl.predict.denoise import DenoiseRun
from georaster_dl.predict.engine.network_cache import NetworkCache
from georaster_dl.predict.features import FeatureRun
from georaster_dl.predict.limitations import run_limitations
from georaster_dl.predict.options import (
    FeatureOptions,
    FeatureOutputs,
    Outputs,
    RunOptions,
    SegmentOptions,
)
from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS, ExtraRaster
from georaster_dl.predict.run import SceneRun
from georaster_dl.predict.segment import SegmentRun

__all__ = ["Model", "Prediction", "load_model", "package_of"]

Prediction: TypeAlias = Literal[
    "map",
    "probabilities",
    "confidence",
    "uncertainty",
    "sets",
    "boundaries",
    "weights",
    "novelty",
    "outliers",
    "features",
    "denoised",
]
"""Names of a model's predictions; they are those of the commands and their outputs."""

_MOST_NAMED = 16


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A model package that can be applied to scenes and arrays.

    Each thread that predicts has a network of its own, which is kept for its next prediction, so that
    several threads may use one model at a time.

    Attributes
    ----------
    path : of the package.
    card : what the model was trained on, what it predicts, and how well.
    """

    path: Path
    card: Card
    _networks: NetworkCache = field(default_factory=NetworkCache, init=False)

    def predict(
        self,
        source: SceneSource,
        output: Prediction = "map",
        *,
        report: Report | None = None,
        progress: bool = False,
        **options: Unpack[MapKeywords],
    ) -> Raster:
        """Predict every pixel of a scene in memory; the pixels are those that ``segment`` writes.

        Bands, units and resolution are matched and checked as for a file, and large scenes and lazy
        arrays are read and predicted tile by tile, so that only the prediction is in memory.

        Parameters
        ----------
        source : as ``open_scene`` takes it.
        output : the map (classes, quantities or fractions), the classes' ``probabilities``, ``confidence``,
            ``uncertainty``, the ``boundaries`` of objects, the ``weights`` of sensors, the pixels' ``novelty`` or ``outliers`` as float32; the ``sets`` of classes that a pixel
            may be; ``features`` of the network; what an autoencoder makes of the scene (``denoised``).
        report : called with the events of the run; warnings are Python warnings where None.
        progress : show a bar.
        **options : bands, nodata, scale, offset, mask; aoi, device, precision, halo, tile and resample,
            as ``RunKeywords`` describes them; of maps also predictor, members, passes, seed,
            symmetries, reject and level, as ``MapKeywords`` does.

        Raises
        ------
        GeoRasterError
            Whatever is wrong with the scene, the output for this model, the options or the device.

        Examples
        --------
        >>> model = load_model("landcover-sample")
        >>> raster = model.predict("sample_tiles/s2_west.tif")
        >>> raster.array.shape, raster.legend.names[:2]
        ((1, 512, 512), ['water', 'forest'])
        """
        for name in ("overwrite", "record", "journal"):
            if name in options:
                raise OptionError(
                    f"`{name}=` is of files, but `predict()` makes none; leave it out, or use `segment()`."
                )
        scene = as_scene(source, SceneOptions())
        with reporting(report, progress=progress) as take:
            run = self._run(scene, output, options, take)
            rasters = run.in_memory()
            counts = rasters["map"].class_counts if "map" in rasters else {}
            place = centre_of(scene.geobox)
            for limitation in run_limitations(self.card, self.path.stem, counts, place):
                take(Warned(limitation))
        return rasters["scene" if output == "denoised" else output]

    def _run(self, scene: Scene, output: str, options: MapKeywords, report: Report) -> SceneRun:
        if output == "features":
            of_features = options_of(FeatureOptions, options)
            files = FeatureOutputs(Path("memory"))
            return FeatureRun(scene, self.path, files, of_features, report, self._networks)
        if output == "denoised":
            as_asked = options_of(RunOptions, options)
            return DenoiseRun(scene, self.path, Path("memory"), as_asked, report, self._networks)
        rasters = [name for name, kind in EXTRA_OUTPUTS.items() if isinstance(kind, ExtraRaster)]
        if output not in ("map", *rasters):
            raise OptionError(
                f"There is no prediction {output!r}; choose map, {', '.join(rasters)}, features or denoised."
            )
        made = Outputs.in_memory(*([] if output == "map" else [output]))
        mapping = options_of(SegmentOptions, options, float32=True)
        return SegmentRun(scene, self.path, made, mapping, report, self._networks)

    def __repr__(self) -> str:
        """Name, version, outputs and number of bands, in one line."""
        card = self.card
        bands = counted(len(card.bands), "band")
        return f"<Model {card.name} {card.version}: {card.predicts} of {bands}>"

    def _repr_html_(self) -> str:
        """Table of the card's main facts, for notebooks."""
        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in self._described()
        )
        return f"<table>{rows}</table>"

    def _described(self) -> Iterator[tuple[str, str]]:
        card = self.card
        yield "model", f"{card.name} {card.version}"
        yield "network", card.architecture.name
        yield "predicts", card.predicts
        if card.classes:
            yield "classes", listed(card.legend.names, _MOST_NAMED)
        yield "bands", listed([band.name for band in card.bands], _MOST_NAMED)
        if card.metrics:
            yield "measured", ", ".join(f"{n} {v:.3g}" for n, v in list(card.metrics.items())[:4])
        if card.limitations:
            yield "limitations", card.limitations


def package_of(model: str | Path | Model) -> Path:
    """Find the package of a model.

    Raises
    ------
    UnknownModelError
        When no bundled model has that name and there is no such file.
    """
    return model.path if isinstance(model, Model) else find_model(model)


def load_model(model: str | Path | Model) -> Model:
    """Load a model by the name of a bundled one or the path of a package; the weights follow with its first use.

    Raises
    ------
    UnknownModelError
        When no bundled model has that name and there is no such file.
    ModelPackageError
        When the file is damaged or is no model package.
    """
    path = package_of(model)
    return Model(path, read_card(path))
