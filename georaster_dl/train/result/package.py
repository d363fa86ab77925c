"""From trained weights to a model package: measured on ground nobody learnt from, and described."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn

from georaster_dl.core.geography import Place, centre_of
from georaster_dl.core.wording import counted
from georaster_dl.evaluate.metrics.calibration import calibration_error, fit_temperature
from georaster_dl.io.files.layer_path import file_of
from georaster_dl.io.labels.read import labels_digest
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.models.package.card import (
    Architecture,
    Calibration,
    Card,
    CardBand,
    CardClass,
    CardTarget,
    HaloFacts,
)
from georaster_dl.models.package.file import save_model
from georaster_dl.models.registry import network_stride, takes_encoder
from georaster_dl.models.runtime.cost import measure_cost
from georaster_dl.models.runtime.device import Device
from georaster_dl.models.runtime.halo import choose_halo, probe_halo
from georaster_dl.tiling.split_blocks import PARTS, TEST, VALIDATION
from georaster_dl.tiling.tiles import round_up
from georaster_dl.train.data.plan import TrainingPlan
from georaster_dl.train.data.scaling import Scaling
from georaster_dl.train.result.measure import Measured, label_metrics, measure
from georaster_dl.train.result.reconstruction import reconstruction_caution, reconstruction_metrics

__all__ = ["package_model"]

_HALO_SCENES, _HALO_SIDE, _HALO_TILE = 2, 512, 256
_MOST_PLACES = 256  # of a card
_DIGESTED = 27  # label files: as many digests as a fact of a card has characters for
_UNMEASURED_HALO = 64  # where scenes are too small to see what tiling changes


def package_model(
    plan: TrainingPlan,
    scaling: Scaling,
    network: nn.Module,
    device: Device,
    path: Path,
    facts: dict[str, str],
) -> Card:
    """Measure, describe and package a trained network.

    Parameters
    ----------
    facts : what else the card says of the training.
    """
    network = network.eval()
    part = TEST if plan.labelled(TEST).any() else VALIDATION
    metrics, calibration = _tested(plan, part, network, scaling, device)
    network = network.cpu()
    stride = network_stride(network)
    card = Card(
        name=plan.config.model.name or _slug(path.stem),
        version="1",
        description=_description(plan),
        task=plan.config.task,
        architecture=_architecture(plan),
        bands=_bands(plan, scaling),
        quantity=plan.quantity,
        resolution_m=_resolutions(plan),
        classes=_classes(plan),
        targets=_targets(plan, scaling),
        stride=stride,
        halo=_halo(plan, scaling, network, stride),
        cost=measure_cost(network, in_bands=len(plan.bands), stride=stride),
        licence=plan.config.model.licence,
        places=_places(plan),
        training={key: value[:500] for key, value in {**_training(plan), **facts}.items()},
        configuration={key: value[:500] for key, value in plan.config.flat().items()},
        metrics=metrics,
        calibration=calibration,
        caution=_caution(plan, part, metrics),
    )
    return save_model(path, card, network)


def _tested(
    plan: TrainingPlan, part: int, network: nn.Module, scaling: Scaling, device: Device
) -> tuple[dict[str, float], Calibration]:
    """The figures of a part, and how far probabilities are to be trusted, where there are any."""
    if plan.unlabelled:
        return reconstruction_metrics(plan, part, network, scaling, device), Calibration()
    tested = measure(plan, part, network, scaling, device)
    metrics = label_metrics(tested, PARTS[part])
    if not plan.names:
        return metrics, Calibration()
    return metrics, _calibration(plan, network, scaling, device, tested)


def _calibration(
    plan: TrainingPlan, network: nn.Module, scaling: Scaling, device: Device, tested: Measured
) -> Calibration:
    """Temperature from the validation ground, its error on the ground that was tested."""
    validation = measure(plan, VALIDATION, network, scaling, device)
    temperature = fit_temperature(validation.logits, validation.target)
    error = calibration_error(tested.logits, tested.target, temperature)
    return Calibration(temperature=round(temperature, 3), ece=round(error, 4))


def _halo(plan: TrainingPlan, scaling: Scaling, network: nn.Module, stride: int) -> HaloFacts:
    """The exact halo, and the shortest that changes hardly anything on the training's own scenes."""
    exact = probe_halo(network, in_bands=len(plan.bands), stride=stride).exact
    inputs = [_middle(ground.scene, scaling) for ground in plan.grounds[:_HALO_SCENES]]
    longest = max(max(image.shape[1:]) for image in inputs)
    tile = min(_HALO_TILE, round_up(longest // 2, stride))
    if longest < 4 * stride:
        unmeasured = round_up(_UNMEASURED_HALO, stride)
        if exact is None:
            return HaloFacts(default=unmeasured, blend=unmeasured)
        return HaloFacts(default=min(exact, unmeasured), exact=exact)
    default, changed = choose_halo(
        network, inputs, stride=stride, exact=exact, tile=tile, classes=bool(plan.names)
    )
    blend = 0 if exact is not None else default
    return HaloFacts(default=default, exact=exact, changed=round(changed, 6), blend=blend)


def _middle(scene: Scene, scaling: Scaling) -> npt.NDArray[np.float32]:
    rows, cols = (
        slice(max(0, (n - _HALO_SIDE) // 2), min(n, (n + _HALO_SIDE) // 2)) for n in scene.shape
    )
    raster = scene.read(rows, cols)
    return scaling.apply(raster.array, raster.valid)


def _architecture(plan: TrainingPlan) -> Architecture:
    model = plan.config.model
    encoder = model.encoder if takes_encoder(model.architecture) else None
    return Architecture(name=model.architecture, encoder=encoder, options=model.options)


def _bands(plan: TrainingPlan, scaling: Scaling) -> tuple[CardBand, ...]:
    return tuple(
        CardBand(
            name=band.name,
            wavelength_nm=band.wavelength_nm,
            fwhm_nm=band.fwhm_nm,
            mean=float(mean),
            std=float(std),
        )
        for band, mean, std in zip(plan.bands, scaling.mean, scaling.std, strict=True)
    )


def _classes(plan: TrainingPlan) -> tuple[CardClass, ...]:
    legend = plan.grounds[0].legend
    if legend is None:
        return ()
    return tuple(
        CardClass(value=c.value, name=c.name, color="#{:02x}{:02x}{:02x}".format(*c.color))
        for c in legend.classes
    )


def _targets(plan: TrainingPlan, scaling: Scaling) -> tuple[CardTarget, ...]:
    labels = plan.grounds[0].labels
    if scaling.target is None or labels is None:
        return ()
    mean, std = scaling.target
    field = plan.config.labels.class_field
    return (CardTarget(name=field or file_of(labels).stem[:64], mean=mean, std=std),)


def _resolutions(plan: TrainingPlan) -> tuple[float, float] | None:
    known = [r for g in plan.grounds if (r := g.scene.resolution_m) is not None]
    return (min(known), max(known)) if known else None


def _description(plan: TrainingPlan) -> str:
    what = f"{counted(len(plan.names), 'class')}" if plan.names else "A quantity"
    if plan.unlabelled:
        what = "Autoencoder: features of each pixel"
    scenes = (
        plan.grounds[0].scene.name
        if len(plan.grounds) == 1
        else f"{counted(len(plan.grounds), 'scene')}"
    )
    return f"{what} from {counted(len(plan.bands), 'band')}, learnt from {Path(scenes).name}."


def _places(plan: TrainingPlan) -> tuple[Place, ...]:
    """Where the scenes lie, to a tenth of a degree; to a degree where there are too many."""
    centres = [
        centre for ground in plan.grounds if (centre := centre_of(ground.scene.geobox)) is not None
    ]
    exact, coarse = ({(round(x, n), round(y, n)) for x, y in centres} for n in (1, 0))
    return tuple(sorted(exact if len(exact) <= _MOST_PLACES else coarse)[:_MOST_PLACES])


def _training(plan: TrainingPlan) -> dict[str, str]:
    scenes = [Path(ground.scene.name).name for ground in plan.grounds]
    labels = dict.fromkeys(ground.labels for ground in plan.grounds if ground.labels)
    counts = {part: sum(values.values()) for part, values in plan.facts().items()}
    pixels = ", ".join(f"{part} {n}" for part, n in counts.items())
    return {
        "scenes": ", ".join(scenes),
        **(_labels(list(labels), plan) if labels else {}),
        "split": plan.split.note,
        f"{'labelled' if labels else 'valid'} pixels": pixels,
    }


def _labels(files: Sequence[Path], plan: TrainingPlan) -> dict[str, str]:
    """Names and digests of the label files, as many as a card has room for."""
    digests = [
        labels_digest(file, plan.grounds[0].options, numbers=not plan.names)
        for file in files[:_DIGESTED]
    ]
    names = dict.fromkeys(file_of(file).name for file in files)
    return {"labels": ", ".join(names), "labels_sha256": ", ".join(digests)}


def _caution(plan: TrainingPlan, part: int, metrics: Mapping[str, float]) -> str:
    said = [plan.split.caution]
    if plan.unlabelled:
        said.append(reconstruction_caution(plan, metrics))
    if part == VALIDATION:
        what = "reconstruction" if plan.unlabelled else "accuracy"
        said.append(
            f"No ground was kept for testing: the {what} is that of the validation ground, on which "
            "the best epoch was chosen."
        )
    return " ".join(filter(None, said))


def _slug(text: str) -> str:
    slug = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:64]
    return slug or "model"
