"""Maps of scenes by models of classes, quantities or fractions, as styled GeoTIFFs."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import ModelChosen, Report, no_report
from georaster_dl.core.legend import Legend
from georaster_dl.io.output.staging import Staging
from georaster_dl.io.scenes.reader import Sources
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import read_card
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.predict.context import RunContext
from georaster_dl.predict.engine.network_cache import NetworkCache, of_process
from georaster_dl.predict.matching.default_model import choose_model
from georaster_dl.predict.matching.scene_match import match_scene
from georaster_dl.predict.options import Findings, Outputs, SegmentOptions, Summary
from georaster_dl.predict.outputs.cleaned import (
    check_cleaning,
    clean_finished,
    smoothed_probabilities,
)
from georaster_dl.predict.outputs.kinds import (
    EXTRA_OUTPUTS,
    DerivedFile,
    ExtraRaster,
    FinishedMap,
)
from georaster_dl.predict.outputs.rejection import Rejection
from georaster_dl.predict.predictors.choice import (
    choose_predictor,
    direction_warning,
    measured_calibration,
    with_predictor,
)
from georaster_dl.predict.prepare import open_input, prepare
from georaster_dl.predict.run import SceneRun
from georaster_dl.tiling.pixels import PixelPlaces

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from georaster_dl.predict.outputs.rasters import RasterRun
    from georaster_dl.predict.outputs.tasks import Task

__all__ = ["SegmentRun", "segment"]

_FIRST_METRICS = 4  # a card states the most telling ones first


def segment(
    sources: Sources,
    model: Path | None,
    outputs: Outputs,
    options: SegmentOptions | None = None,
    report: Report = no_report,
) -> Summary:
    """Map a scene with a model: its classes, quantities, or the fractions of each pixel.

    Parameters
    ----------
    sources : path or address of the scene, several single files of it, or an open scene.
    model : model package; None takes the bundled one of Sentinel-2 where it fits.
    outputs : files to make. All appear at the end, or none; an extra one that fails is left out, with
        a warning and in the summary's ``failed``.
    report : called with ``start``, ``progress`` and ``warning`` events, and first with ``model``
        where none was given.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the scene, the model, the outputs or the device; nothing is left
        behind. Where no model is named, also reflectances that look a tenth too high or too low.
    """
    return SegmentRun(sources, model, outputs, options or SegmentOptions(), report).whole()


class SegmentRun(SceneRun):
    """A map of a scene that can be made; parameters and errors are those of ``segment``."""

    def __init__(
        self,
        sources: Sources,
        model: Path | None,
        outputs: Outputs,
        options: SegmentOptions,
        report: Report,
        networks: NetworkCache = of_process,
    ) -> None:
        context = RunContext(options, report, networks)
        scene = open_input(sources, options.scene)
        named = model is not None
        if model is None:
            model, match = choose_model(scene)
            _check_outputs(outputs, match.card)
        else:
            card = read_card(model)
            _check_outputs(outputs, card)
            match = match_scene(scene, card, resample=options.resample)
        _check_one_pass(match.card, outputs, options)
        check_cleaning(match, options)
        match, choice = with_predictor(scene, match, options)
        prepared = prepare(
            scene,
            match,
            model,
            outputs.all(),
            context,
            named=named,
            members=[(member.model, member.card) for member in choice.members],
        )
        self._smoothed = smoothed_probabilities(outputs, options)
        self._separating = {} if choice.several else _boundaries(match.card, outputs, options)
        unasked = {**self._smoothed, **self._separating}.values()
        scratch = [path for path in unasked if path not in outputs.all()]
        super().__init__(replace(prepared, scratch=tuple(scratch)))
        self._choice = choice
        self._legend = _legend(match.card, options)
        _check_polygons(self._legend, outputs, options)
        if "sets" in outputs.extras:  # before the run, where the card cannot tell them
            measured_calibration(match.card, options, "sets").largest_score(options.level)
        self._options = options
        self._outputs = outputs
        self._derived = [
            kind for name in outputs.extras if isinstance(kind := EXTRA_OUTPUTS[name], DerivedFile)
        ]
        if not named:
            _report_choice(match.card, report)
        for kind in self._derived:
            kind.check(match.scene)

    def at_pixels(self, places: PixelPlaces) -> npt.NDArray[np.float32] | None:
        """Run the network over the tiles that hold some pixels, and take its output there.

        Returns
        -------
        (n, passes, planes) of the network, logits for classes; NaN where the scene has no measurement,
        None where it has none at all.

        Raises
        ------
        DeviceError
            When not even the smallest tiles fit into the memory.
        """
        from georaster_dl.predict.outputs.pixels import planes_of_pixels

        return planes_of_pixels(self.prepared, self._choice, self._task, places)

    def _rasters(self) -> tuple[RasterRun, dict[str, Path]]:
        from georaster_dl.predict.outputs.further import FURTHER, further_run
        from georaster_dl.predict.outputs.rasters import RasterRun, loader

        prepared, choice = self.prepared, self._choice
        prepared.context.warn(direction_warning(prepared.match.card, choice.kind))
        made = self._outputs.extras.keys() | self._separating.keys()
        further = tuple(name for name in FURTHER if name in made)
        if further:
            rasters = further_run(prepared, self._task, choice, further, self._options)
        else:
            rasters = RasterRun(prepared, loader(prepared, choice=choice), self._task, choice)
        rasters_beside = {
            name: path
            for name, path in self._outputs.extras.items()
            if isinstance(EXTRA_OUTPUTS[name], ExtraRaster)
        }
        unasked = {**self._smoothed, **self._separating}
        return rasters, {"map": self._outputs.map, **rasters_beside, **unasked}

    def _task(self) -> Task:
        from georaster_dl.predict.outputs.tasks import task_of

        return task_of(self.prepared.match.card, self._options)

    def _complete(self, stage: Staging, found: Findings) -> Findings:
        match, staged_map = self.prepared.match, stage.path(self._outputs.map)
        if self._options.cleaning.cleans:
            planes = [stage.path(path) for path in self._smoothed.values()]
            found = clean_finished(staged_map, self._options.cleaning, planes, found)
        polygons = self._options.polygon_options
        for path in self._separating.values():
            polygons = replace(polygons, boundaries=stage.path(path))
        warn = self.prepared.context.warn
        finished = FinishedMap(
            staged_map, match.scene, match.card, self._legend, found.counts, polygons, warn
        )
        for kind in self._derived:
            with stage.making(self._outputs.extras[kind.name]) as path:
                kind.write(finished, path)
        return found


def _check_one_pass(card: Card, outputs: Outputs, options: SegmentOptions) -> None:
    """Refuse the uncertainty of quantities where a single pass has none, and boundaries or weights of several passes."""
    for name in outputs.extras.keys() & {"boundaries", "weights"}:
        if choose_predictor(card, options) != "single":
            raise OptionError(
                f"`{name}=...` is of one pass of the network, but several are asked for; leave one of them out."
            )
    asked = bool(card.targets) and "uncertainty" in outputs.extras
    if asked and choose_predictor(card, options) == "single":
        raise OptionError(
            f"One pass gives the entropy of probabilities, but {card.name} predicts {card.predicts}; "
            f"use several, whose spread is written: `predictor='mc-dropout'`, `predictor='tta'` or "
            f"`predictor='ensemble'`; or leave `uncertainty=...` out."
        )


def _boundaries(card: Card, outputs: Outputs, options: SegmentOptions) -> dict[str, Path]:
    """Name the raster of boundaries by which touching objects are separated, by its kind; empty without any.

    It is the output of that name, where there is one.
    """
    if not (options.polygon_options.split_touching and card.gives_boundaries):
        return {}
    beside = outputs.map.with_name(f"separating-{outputs.map.stem}.tif")
    return {"boundaries": outputs.extras.get("boundaries", beside)}


def _check_polygons(legend: Legend | None, outputs: Outputs, options: SegmentOptions) -> None:
    """Refuse options of polygons that are not written, and classes that the map does not have."""
    asked = options.polygon_options
    if asked == PolygonOptions():
        return
    if "polygons" not in outputs.extras or legend is None:
        name = next(one.name for one in fields(asked) if getattr(asked, one.name))
        raise OptionError(
            f"`{name}=` is of polygons; ask for these with `polygons=`, or leave it out."
        )
    asked.dropped_values(legend)


def _legend(card: Card, options: SegmentOptions) -> Legend | None:
    """Classes of the map; None for quantities.

    Raises
    ------
    OptionError
        When uncertain pixels are to be a class, but the model cannot tell them.
    """
    rejection = Rejection.of(card, options)
    if rejection is not None:
        return rejection.legend
    return None if card.targets else card.legend


def _report_choice(card: Card, report: Report) -> None:
    """Report the chosen model with its first metrics."""
    metrics = dict(islice(card.metrics.items(), _FIRST_METRICS))
    report(ModelChosen(card.name, card.version, metrics))


def _check_outputs(outputs: Outputs, card: Card) -> None:
    """Refuse outputs that the model cannot give."""
    if card.task == "autoencoder":
        raise OptionError(
            f"{card.name} predicts {card.predicts}, and no map; use it for `features()` or `denoise()`, or "
            f"name another `model=`."
        )
    for name in outputs.extras:
        if EXTRA_OUTPUTS[name].needs_novelty and card.novelty is None:
            raise OptionError(_without_novelty(name, card))
        if EXTRA_OUTPUTS[name].needs_domain and card.domain is None:
            raise OptionError(
                f"`{name}=...` compares spectra with those of a calibration, which {card.name} does not hold; train a "
                f"model with `geodl spectra train` of this version, or leave that out."
            )
        if EXTRA_OUTPUTS[name].needs_boundaries and not card.gives_boundaries:
            raise OptionError(
                f"`{name}=...` shows where objects end, which {card.name} has not learnt; train a model with "
                f"`instances=True`, or leave that out."
            )
        if EXTRA_OUTPUTS[name].needs_gate and not card.weighs_modalities:
            raise OptionError(
                f"`{name}=...` shows which sensor decided, but {card.name} ({card.architecture.name}) does not weigh sensors; "
                f"train a model with `architecture='fusion_unet'`, or leave that out."
            )
    asked = [name for name in outputs.extras if EXTRA_OUTPUTS[name].needs_classes]
    if card.targets and asked:
        raise OptionError(
            f"{card.name} predicts {card.predicts}, and no classes, so it has nothing for "
            f"{', '.join(f'`{name}=...`' for name in asked)}; leave that out."
        )


def _without_novelty(name: str, card: Card) -> str:
    """Say why a model without statistics of its training lacks an output that compares with them."""
    if card.series is not None:
        return (
            f"`{name}=...` compares pixels with the training's, but {card.name} reads time series, of which no such "
            f"statistics are made; leave it out."
        )
    if card.domain is not None:
        return (
            f"`{name}=...` compares pixels with those of training scenes, but {card.name} learnt from a table of "
            f"spectra; its pixels are compared by `outliers=...` (T2, Q and the nearest spectrum)."
        )
    return (
        f"{card.name} does not hold the statistics of its training that `{name}=...` needs; train it again with this "
        f"version, or leave that out."
    )
