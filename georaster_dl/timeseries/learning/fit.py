"""A network fitted to the samples of one fold, with its normalisation and calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.evaluation.metrics.calibration import class_probabilities, fit_calibration
from georaster_dl.evaluation.metrics.reliability import measure_reliability
from georaster_dl.models.package.calibration import Calibration
from georaster_dl.models.package.values import Interval
from georaster_dl.models.registry import create_model, describe_model
from georaster_dl.models.runtime.device import Device
from georaster_dl.spectra.network.loop import Recipe, learn, value_loss
from georaster_dl.spectra.scoring.conformal import fewest_for, fit_interval
from georaster_dl.timeseries.learning.augment import SeriesAugmentation
from georaster_dl.timeseries.learning.inputs import (
    SeriesInputs,
    SeriesScaling,
    series_planes,
)
from georaster_dl.timeseries.learning.options import SeriesTrainOptions
from georaster_dl.timeseries.learning.split import SampleFold
from georaster_dl.timeseries.samples import SeriesSamples
from georaster_dl.training.loop.losses import build_loss, class_weights_of

if TYPE_CHECKING:
    from georaster_dl.models.contract import PhysicalSeriesNetwork, SeriesKind, SeriesNetwork

__all__ = ["FittedSeries", "fit_series", "kind_of", "network_options"]

_LEVEL = 0.9  # of the intervals of values
_STEPS = range(8, 74)  # regular days of a network that interpolates


@dataclass(frozen=True, eq=False)
class FittedSeries:
    """A network with all that its predictions need.

    Attributes
    ----------
    network : on the CPU, in eval mode.
    options : of its architecture.
    scaling : of the bands.
    target : mean and standard deviation of the training's values; None of classes.
    calibration : of the probabilities, fitted to the validation samples.
    interval : of values, fitted to the same; None where there are too few.
    """

    network: nn.Module
    options: Mapping[str, Any]
    scaling: SeriesScaling
    season_start: str
    target: tuple[float, float] | None = None
    calibration: Calibration = field(default_factory=Calibration)
    interval: Interval | None = None

    @torch.inference_mode()
    def planes(self, samples: SeriesSamples, device: str = "cpu") -> npt.NDArray[np.float32]:
        """Logits (N, classes), of patches (N, classes, side, side); or values (N, 1) in their unit."""
        where = Device.choose(device, "fp32").torch_device
        inputs = SeriesInputs.of(samples, self.scaling, self.season_start, kind_of(self.network))
        planes = series_planes(self.network.eval().to(where), inputs.on(where)).cpu().numpy()
        self.network.cpu()
        if self.target is None:
            return planes
        return planes * np.float32(self.target[1]) + np.float32(self.target[0])

    def predict(self, samples: SeriesSamples) -> npt.NDArray[Any]:
        """Class indexes or values (N,), of patches (N, side, side)."""
        planes = self.planes(samples)
        return planes[:, 0] if self.target is not None else planes.argmax(axis=1)

    def with_error(self, tested: SeriesSamples) -> FittedSeries:
        """Note the calibration error of the probabilities on labelled samples that nothing was learnt from."""
        if self.target is not None or tested.labels is None:
            return self
        logits, labels = self.labelled(tested)
        error = measure_reliability(self.probabilities(logits), labels).ece.value
        calibration = self.calibration.model_copy(update={"ece": round(error, 4)})
        return replace(self, calibration=calibration)

    def labelled(
        self, samples: SeriesSamples
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
        """Logits (n, classes) and class indexes (n,) of samples of known class; of patches, of their labelled pixels."""
        assert samples.labels is not None  # of samples that chose or tested
        known = samples.labels >= 0
        return np.moveaxis(self.planes(samples), 1, -1)[known], samples.labels[known]

    def probabilities(self, planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities (N, classes) of logits."""
        return class_probabilities(planes[:, None], self.calibration)


def fit_series(
    samples: SeriesSamples,
    fold: SampleFold,
    options: SeriesTrainOptions,
    season_start: str,
    log: Callable[[int, float], None],
) -> FittedSeries:
    """Fit a network to the training samples of a fold; those of validation choose the epoch and calibrate.

    Parameters
    ----------
    samples : all of them.
    season_start : month and day from which days are counted.
    log : called after every epoch with their number and the loss of the validation samples.
    """
    where = Device.choose(options.device, "fp32").torch_device
    taught, held = samples.rows(fold.train), samples.rows(fold.validation)
    scaling = SeriesScaling.of(taught)
    target, wanted = _targets(taught)
    chosen = network_options(options, taught, season_start)
    augmentation = SeriesAugmentation.of(options.augment, early=options.early)
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        torch.manual_seed(options.seed)
        network = _network(options, samples, chosen)
        if hasattr(network, "describe_input"):
            bands = scaling.input_bands(samples.bands)
            cast("PhysicalSeriesNetwork", network).describe_input(bands, season_start)
        network.to(where)
        seen, shown = (
            SeriesInputs.of(part, scaling, season_start, kind_of(network)).on(where)
            for part in (taught, held)
        )
        seen = seen.in_training(augmentation, options.pixels)
        learn(
            network,
            Recipe(
                options.epochs_of(len(taught)),
                options.step,
                options.learning_rate,
                options.weight_decay,
            ),
            lambda: seen,
            wanted.to(where),
            (shown, _targets(held, target)[1].to(where)),
            planes=series_planes,
            loss=_loss(samples, wanted, options).to(where),
            log=log,
        )
    fitted = FittedSeries(network.cpu().eval(), chosen, scaling, season_start, target)
    return _calibrated(fitted, held)


def kind_of(network: nn.Module) -> SeriesKind:
    """Look up the kind of series that a network reads."""
    return cast("SeriesNetwork", network).series


def _calibrated(fitted: FittedSeries, held: SeriesSamples) -> FittedSeries:
    if fitted.target is None:
        logits, classes = fitted.labelled(held)
        return replace(fitted, calibration=fit_calibration(logits[:, None], classes))
    labels = held.labels
    assert labels is not None  # of samples that teach
    if len(labels) < fewest_for(_LEVEL):
        return fitted
    values = fitted.planes(held)[:, 0].astype(np.float64)
    return replace(fitted, interval=fit_interval(values, np.zeros(len(values)), labels, _LEVEL))


def network_options(
    options: SeriesTrainOptions, samples: SeriesSamples, season_start: str
) -> dict[str, Any]:
    """Complete the options of the architecture, with the days that it sees from the samples.

    Raises
    ------
    OptionError
        When an option is none of the architecture's.
    """
    known = describe_model(options.architecture)[1]
    unknown = sorted(set(options.options) - set(known))
    if unknown:
        raise OptionError(
            f"The network {options.architecture} has no option {unknown[0]!r}; it has {', '.join(known) or 'none'}."
        )
    found: dict[str, Any] = {}
    if "steps" in known:
        days = np.concatenate(samples.days(season_start), axis=1)
        first, last = int(np.floor(np.nanmin(days))), int(np.ceil(np.nanmax(days)))
        most = max(int(np.quantile(s.clear_dates, 0.9)) for s in samples.sensors)
        steps = min(max(most, _STEPS.start), _STEPS.stop - 1)
        found = {"steps": steps, "first": first, "last": max(last, first + 1)}
    if "geometry" in known and samples.geometry is None:
        found["geometry"] = False
    return {**known, **found, **options.options}


def _network(
    options: SeriesTrainOptions, samples: SeriesSamples, chosen: Mapping[str, Any]
) -> nn.Module:
    outputs = 1 if samples.legend is None else len(samples.legend.classes)
    return create_model(
        options.architecture,
        in_bands=len(samples.bands),
        n_classes=outputs,
        sensors=tuple(len(sensor.bands) for sensor in samples.sensors),
        encoder_weights=options.encoder_weights,
        **chosen,
    )


def _targets(
    samples: SeriesSamples, scale: tuple[float, float] | None = None
) -> tuple[tuple[float, float] | None, Tensor]:
    """Mean and deviation of values, and the labels as the loss takes them: class indexes, -1 of pixels without, or (n, 1)."""
    labels = samples.labels
    assert labels is not None  # of samples that teach
    if samples.legend is not None:
        return None, torch.from_numpy(labels.astype(np.int64))
    mean, std = scale or (float(labels.mean()), float(labels.std()) or 1.0)
    scaled = ((labels - mean) / std).astype(np.float32)
    return (mean, std), torch.from_numpy(scaled)[:, None]


class _ValueLoss(nn.Module):
    """Mean square error."""

    def forward(self, planes: Tensor, targets: Tensor) -> Tensor:
        return value_loss(planes, targets)


def _loss(samples: SeriesSamples, wanted: Tensor, options: SeriesTrainOptions) -> nn.Module:
    if samples.legend is None:
        return _ValueLoss()
    known = wanted[wanted >= 0].numpy()
    counts = np.bincount(known, minlength=len(samples.legend.classes))
    weights = class_weights_of(counts.astype(np.int64)) if options.class_weights else None
    return build_loss([options.loss], [1.0], class_weights=weights)
