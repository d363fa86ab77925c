"""Package of a trained network: tested on the test part, described by its card, and saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from georaster_dl.core.geography import Place, centre_of
from georaster_dl.core.legend import MapClass
from georaster_dl.core.text import slug
from georaster_dl.core.wording import counted
from georaster_dl.evaluation.metrics.calibration import class_probabilities, fit_calibration
from georaster_dl.evaluation.metrics.reliability import measure_reliability
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.labels.read import labels_digest
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.models.contract import network_stride
from georaster_dl.models.package.calibration import Calibration
from georaster_dl.models.package.card import Architecture, Card, ModelHalo, Predictor
from georaster_dl.models.package.file import save_model
from georaster_dl.models.package.values import InputBand, Target
from georaster_dl.models.registry import takes_encoder, weighs_modalities
from georaster_dl.models.runtime.cost import measure_cost
from georaster_dl.models.runtime.device import Device
from georaster_dl.models.runtime.halo import choose_halo, probe_halo
from georaster_dl.models.zoo.ensemble import Ensemble
from georaster_dl.tiling.split_blocks import PARTS, TEST, VALIDATION
from georaster_dl.tiling.tiles import round_up
from georaster_dl.training.data.scaling import Scaling
from georaster_dl.training.data.training_data import TrainingData
from georaster_dl.training.loop.network import random_network, without_mask_plane
from georaster_dl.training.result.fractions import fraction_caution, fraction_metrics
from georaster_dl.training.result.measure import Measured, label_metrics, measure
from georaster_dl.training.result.novelty import training_novelty
from georaster_dl.training.result.reconstruction import (
    reconstruction_caution,
    reconstruction_metrics,
)
from georaster_dl.training.result.seen_places import measure_seen_places
from georaster_dl.training.rivals.comparison import Comparison
from georaster_dl.training.rivals.fit import Rival

__all__ = ["package_model"]

_HALO_SCENES, _HALO_SIDE, _HALO_TILE = 2, 512, 256
_MOST_PLACES = 256  # of a card
_DIGESTED = 27  # label files: as many digests as a fact of a card has characters for
_UNMEASURED_HALO = 64  # where scenes are too small to see what tiling changes


def package_model(
    data: TrainingData,
    made: nn.Module | Rival,
    device: Device,
    path: Path,
    notes: Mapping[str, str],
    comparison: Comparison | None = None,
    further: Mapping[str, float] = MappingProxyType({}),
) -> Card:
    """Measure, describe and package a trained network, or a classifier of spectra and texture.

    Parameters
    ----------
    notes : further entries of the card about the training.
    comparison : of the network with classifiers.
    further : metrics of it that were measured already.
    """
    rival = made if isinstance(made, Rival) else None
    network = (made.network if isinstance(made, Rival) else made).eval()
    told = {} if comparison is None else {"compared": comparison.fact()}
    part = TEST if data.split.labelled(TEST).any() else VALIDATION
    metrics, calibrations = _tested(data, part, network, device)
    of_seen, seen_caution = measure_seen_places(data, network, device, metrics)
    rival_caution = "" if comparison is None else comparison.caution
    metrics |= {} if comparison is None else comparison.metrics()
    network = network.cpu()
    if data.masked:
        network = without_mask_plane(network, random_network(data)).eval()
    stride = network_stride(network)
    card = Card(
        name=data.config.model.name or slug(path.stem),
        version="1",
        description=_description(data),
        task=data.config.task,
        architecture=_architecture(data) if rival is None else rival.architecture,
        bands=_bands(data),
        required_bands=_required_bands(data) if rival is None else (),
        quantity=data.quantity,
        resolution_m=_resolutions(data),
        classes=_classes(data),
        targets=_targets(data),
        stride=stride,
        halo=_halo(data, network, stride) if rival is None else rival.halo,
        cost=measure_cost(network, in_bands=len(data.bands), stride=stride),
        licence=data.config.model.licence,
        places=_places(data),
        training={key: value[:500] for key, value in {**_training(data), **told, **notes}.items()},
        configuration={key: value[:500] for key, value in data.config.flat().items()},
        metrics=metrics | of_seen | dict(further),
        calibration=calibrations.pop("single"),
        calibrations=calibrations,
        novelty=training_novelty(data),
        limitations=_limitations(data, part, metrics, [seen_caution, rival_caution]),
    )
    return save_model(path, card, network)


def _tested(
    data: TrainingData, part: int, network: nn.Module, device: Device
) -> tuple[dict[str, float], dict[Predictor, Calibration]]:
    """Metrics of a part, and the calibrations of the probabilities, where there are any."""
    if data.unlabelled:
        return reconstruction_metrics(data, part, network, device), {"single": Calibration()}
    if data.fractions:
        return fraction_metrics(data, part, network, device), {"single": Calibration()}
    tested = measure(data, part, network, device)
    metrics = label_metrics(tested, PARTS[part])
    if not data.names:
        return metrics, {"single": Calibration()}
    calibrations: dict[Predictor, Calibration] = {
        "single": _calibration(data, [network], [tested], device)
    }
    if isinstance(network, Ensemble):
        # The temperature of a mean is not that of the members whose probabilities are averaged.
        each = [measure(data, part, member, device) for member in network.members]
        calibrations["ensemble"] = _calibration(data, network.members, each, device)
    return metrics, calibrations


def _calibration(
    data: TrainingData, networks: Sequence[nn.Module], tested: Sequence[Measured], device: Device
) -> Calibration:
    """Fit the calibration of the networks' mean on the validation part, and measure its error on the tested part."""
    validation = [measure(data, VALIDATION, network, device) for network in networks]
    fitted = fit_calibration(_stacked(validation), validation[0].target)
    target = tested[0].target
    if not len(target):
        return fitted
    probabilities = class_probabilities(_stacked(tested), fitted)
    error = measure_reliability(probabilities, target).ece.value
    return fitted.model_copy(update={"ece": round(error, 4)})


def _stacked(measured: Sequence[Measured]) -> npt.NDArray[np.float32]:
    """Logits (n, networks, classes) of the same pixels."""
    return np.stack([each.logits for each in measured], axis=1)


def _halo(data: TrainingData, network: nn.Module, stride: int) -> ModelHalo:
    """Measure the exact halo, and the shortest that changes hardly a pixel of the training's scenes."""
    exact = probe_halo(network, in_bands=len(data.bands), stride=stride).exact
    inputs = [_middle(each.scene, data.scaling) for each in data.scenes[:_HALO_SCENES]]
    longest = max(max(image.shape[1:]) for image in inputs)
    tile = min(_HALO_TILE, round_up(longest // 2, stride))
    if longest < 4 * stride:
        unmeasured = round_up(_UNMEASURED_HALO, stride)
        if exact is None:
            return ModelHalo(default=unmeasured, blend=unmeasured)
        return ModelHalo(default=min(exact, unmeasured), exact=exact)
    default, changed = choose_halo(
        network, inputs, stride=stride, exact=exact, tile=tile, classes=bool(data.names)
    )
    blend = 0 if exact is not None else default
    return ModelHalo(default=default, exact=exact, changed=round(changed, 6), blend=blend)


def _middle(scene: Scene, scaling: Scaling) -> npt.NDArray[np.float32]:
    rows, cols = (
        slice(max(0, (n - _HALO_SIDE) // 2), min(n, (n + _HALO_SIDE) // 2)) for n in scene.shape
    )
    raster = scene.read(rows, cols)
    return scaling.apply(raster.array, raster.valid)


def _architecture(data: TrainingData) -> Architecture:
    model = data.config.model
    encoder = model.encoder if takes_encoder(model.architecture) else None
    if model.ensemble == 1:
        return Architecture(name=model.architecture, encoder=encoder, options=model.options)
    several: dict[str, Any] = {
        "member": model.architecture,
        "members": model.ensemble,
        "spread": data.config.task in ("regression", "fractions"),
    }
    return Architecture(name="ensemble", encoder=encoder, options={**several, **model.options})


def _bands(data: TrainingData) -> tuple[InputBand, ...]:
    return tuple(
        InputBand.of(band, mean, std)
        for band, mean, std in zip(data.bands, data.scaling.mean, data.scaling.std, strict=True)
    )


def _required_bands(data: TrainingData) -> tuple[tuple[str, ...], ...]:
    """Groups of bands of each of which the model needs one: of needed modalities, else of all; none where it needs all."""
    augment, model = data.config.augment, data.config.model
    if not augment.drops_bands or model.ensemble > 1:
        return ()
    fusing = weighs_modalities(model.architecture) and augment.modality_dropout > 0
    if not (fusing or model.options.get("optional_bands")):
        return ()
    needed = [
        tuple(band.name for band in data.bands if band.modality == name)
        for name in augment.needed_modalities
    ]
    return tuple(needed) or (tuple(band.name for band in data.bands),)


def _classes(data: TrainingData) -> tuple[MapClass, ...]:
    legend = data.scenes[0].legend
    return () if legend is None else legend.classes


def _targets(data: TrainingData) -> tuple[Target, ...]:
    if data.fractions:
        return tuple(Target(name=name) for name in data.fractions)
    labels = data.scenes[0].labels
    if data.scaling.target is None or labels is None:
        return ()
    mean, std = data.scaling.target
    field = data.config.labels.class_field
    return (Target(name=field or file_of(labels).stem[:64], mean=mean, std=std),)


def _resolutions(data: TrainingData) -> tuple[float, float] | None:
    resolutions = [r for each in data.scenes if (r := each.scene.resolution_m) is not None]
    return (min(resolutions), max(resolutions)) if resolutions else None


def _description(data: TrainingData) -> str:
    what = f"{counted(len(data.names), 'class')}" if data.names else "A quantity"
    if data.fractions:
        what = f"Fractions of {', '.join(data.fractions)}"
    if data.unlabelled:
        what = "Autoencoder: features of each pixel"
    scenes = (
        data.scenes[0].scene.name
        if len(data.scenes) == 1
        else f"{counted(len(data.scenes), 'scene')}"
    )
    return f"{what} from {counted(len(data.bands), 'band')}, learnt from {Path(scenes).name}."


def _places(data: TrainingData) -> tuple[Place, ...]:
    """Places of the scenes, to a tenth of a degree; to a degree where there are too many."""
    centres = [
        centre for each in data.scenes if (centre := centre_of(each.scene.geobox)) is not None
    ]
    exact, coarse = ({(round(x, n), round(y, n)) for x, y in centres} for n in (1, 0))
    return tuple(sorted(exact if len(exact) <= _MOST_PLACES else coarse)[:_MOST_PLACES])


def _training(data: TrainingData) -> dict[str, str]:
    scenes = [Path(each.scene.name).name for each in data.scenes]
    labels = dict.fromkeys(each.labels for each in data.scenes if each.labels)
    counts = {part: sum(values.values()) for part, values in data.label_counts().items()}
    pixels = ", ".join(f"{part} {n}" for part, n in counts.items())
    return {
        "scenes": ", ".join(scenes),
        **(_labels(list(labels), data) if labels else {}),
        "split": data.split.note,
        f"{'labelled' if labels else 'valid'} pixels": pixels,
    }


def _labels(files: Sequence[Path], data: TrainingData) -> dict[str, str]:
    """Names and digests of the label files, as many as a card has room for."""
    first = data.scenes[0]
    of_classes = data.names or (first.fractions is not None and first.fractions.legend is not None)
    digests = [
        labels_digest(file, first.options, numbers=not of_classes) for file in files[:_DIGESTED]
    ]
    names = dict.fromkeys(file_of(file).name for file in files)
    return {"labels": ", ".join(names), "labels_sha256": ", ".join(digests)}


def _limitations(
    data: TrainingData, part: int, metrics: Mapping[str, float], cautions: Sequence[str]
) -> str:
    said = [data.split.caution, *cautions]
    if erode := data.config.labels.erode:
        said.append(
            f"Labels within {counted(erode, 'pixel')} of a border taught and tested nothing: the accuracy is of "
            "ground away from borders, and higher than that of all ground."
        )
    if data.unlabelled:
        said.append(reconstruction_caution(data, metrics))
    if data.fractions:
        said.append(fraction_caution(metrics))
    if part == VALIDATION:
        what = "reconstruction" if data.unlabelled else "accuracy"
        said.append(
            f"No ground was kept for testing: the {what} is that of the validation ground, on which "
            "the best epoch was chosen."
        )
    return " ".join(filter(None, said))
