"""The model file: weights, and a card that says what they were made from and how far they go."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from accuracy.maps import behind_veil
from accuracy.parts import RGB_NIR, SCORED, alike, group_probabilities, network_scores, with_bands
from canvases import Scaling
from recipe import OPTIONS, logits_of, partial_loss, restore
from sets import BANDS, CLASSES, Parts, Piece, load, simulated
from torch import nn
from world import Chip, chips

from georaster_dl.core.bands import named_bands
from georaster_dl.core.legend import MapClass, parse_color
from georaster_dl.evaluation.metrics.reliability import measure_reliability
from georaster_dl.models.novelty.fit import fit_novelty
from georaster_dl.models.package.calibration import Calibration
from georaster_dl.models.package.card import Architecture, Card, ModelHalo
from georaster_dl.models.package.file import load_model, save_model
from georaster_dl.models.package.novelty import AbsentBands, NoveltyStatistics
from georaster_dl.models.package.values import InputBand
from georaster_dl.models.runtime.cost import measure_cost
from georaster_dl.models.runtime.halo import choose_halo, probe_halo
from georaster_dl.models.zoo.spectral_unet import SpectralUNet, narrowed_weights

STRIDE = 8
_KEPT_FOLD = 5
_VEILS = (0.6, 1.0, 1.6)
NEEDS = (("B03",), ("B04",), ("B08", "B8A"))
_DESCRIPTION = (
    "Land cover in nine classes, snow, clouds and their shadows among them, from Sentinel-2 reflectance "
    "(L1C or L2A, 10 to 60 m) with whatever bands a scene has."
)
_LIMITATIONS = (
    "Fields are often mapped as grass or tree cover, dry grass and shrub as cropland or bare, villages among gardens as what "
    "grows there, open woods now and then as cropland or built-up; grass and cropland are hard to tell on one date, and bare fields from bare ground. Learnt from few crops and towns outside Europe and no tropical "
    "forest; wetlands and burned ground have no class of their own. Thin cirrus counts as cloud."
)
# Longitude and latitude: Ireland, Slovenia, Tokyo, three patches of Flanders, Tanzania; the chips of
# the world besides.
_PLACES = (
    (-8.2, 52.8),
    (14.6, 45.9),
    (139.5, 35.6),
    (3.0, 50.8),
    (3.4, 51.2),
    (4.1, 50.7),
    (36.9, -3.7),
)
# Where tree cover, grass and cropland are not told apart, the figure must say so.
_GROUPED = {"Ireland": " (vegetation as one)"}
_SOURCES = {
    "Ireland": "Sentinel-2 L2A T29UNU, 2022-10-05, at 60 m (Copernicus open data), its own scene classification; "
    "in the training rows woods and open land by an interpreter's rule",
    "Slovenia": "eo-learn example data, five L1C dates and a land-use map (MIT)",
    "Tokyo": "OTBTF tutorial patches, Sentinel-2 20 m bands (Apache-2.0)",
    "WorldCereal": "WorldCereal test patches, L2A series, crop parcels, scene classification (MIT)",
    "simulated": "110 scenes drawn by sample_tiles/landscape.py",
    "spectra": "earthlib's soils, roofs, roads, litter and simulated canopies in Sentinel-2's bands (MIT)",
    "world": "Sentinel-2 chips of six continents (L1C and L2A; MIT, Apache-2.0, CC BY 4.0, CDLA-Permissive-1.0; "
    "contains modified Copernicus Sentinel data 2015-2022)",
    "labels of world": "where Dynamic World (Apache-2.0; produced for the Dynamic World Project by Google in "
    "partnership with National Geographic and the World Resources Institute) and ukis-csmask (Apache-2.0, DLR) "
    "are sure",
}


def package(data: Path, weights: Path, output: Path) -> None:
    """Write the model file.

    Figures of the held-out parts on its card are measured with the weights it holds, those of
    places held out with networks that were trained as it was: ``places.json`` beside the weights.
    """
    sets, world = load(data), chips(data)
    places = json.loads((weights.parent / "places.json").read_text())
    network, scaling = restore(weights)
    # The halo of the network that reads all bands; which are read does not change it.
    plain = SpectralUNet(len(BANDS), len(CLASSES), **{**OPTIONS, "optional_bands": False})
    plain.load_state_dict(narrowed_weights(network, range(len(BANDS))))
    draft = Card(
        name="s2-landcover",
        version="2.1",
        description=_DESCRIPTION,
        architecture=Architecture(
            name="spectral_unet", options={**OPTIONS, "widths": list(OPTIONS["widths"])}
        ),
        bands=_bands(scaling),
        required_bands=NEEDS,
        quantity="reflectance",
        resolution_m=(10.0, 60.0),
        classes=tuple(
            MapClass(value, name, parse_color(color))
            for value, (name, color) in enumerate(CLASSES, start=1)
        ),
        stride=STRIDE,
        halo=_halo(plain.eval(), scaling),
        cost=measure_cost(plain, in_bands=len(BANDS), stride=STRIDE),
        licence="Apache-2.0",
        training={
            **_SOURCES,
            "split": "see benchmarks/s2_landcover/sets.py and world.py; what is reported was never trained on; "
            "figures of places held out are of networks trained alike without them; places count alike in the "
            "accuracies, pixels in the F1",
            **_counted(places),
            "recipe": "python benchmarks/s2_landcover train",
            "pretrained weights": "none",
        },
        places=(*_PLACES, *sorted({chip.lonlat for chip in world if chip.lonlat and chip.ships})),
        absent_bands=tuple(AbsentBands(**each) for each in places["absent_bands"]),
        novelty=_novelty(sets, world),
        limitations=_LIMITATIONS,
    )
    save_model(output, draft, network, half=True)
    _, network = load_model(output)  # halved weights are what users have
    temperature = _temperature(network, scaling, sets)
    card = draft.model_copy(
        update={
            "calibration": Calibration(
                temperature=round(temperature, 3),
                ece=round(_calibration_error(network, scaling, sets, temperature), 4),
            ),
            "metrics": _metrics_of_places(places) | _metrics(network, scaling, sets),
        }
    )
    save_model(output, Card.from_json(card.to_json()), network, half=True)
    print(f"{output}: {output.stat().st_size:,} bytes")


def _counted(places: dict) -> dict[str, str]:
    """How many pixels and places stand behind the figures of places held out."""
    return {
        f"places held out, {kind}s": ", ".join(
            f"{name}: {each['pixels']:,} pixels of {each['places']} places"
            for name, each in places[kind].items()
        )
        for kind in ("level", "continent")
    }


def _metrics_of_places(places: dict) -> dict[str, float]:
    """Accuracy by level and continent, balanced over classes too, and F1 by class."""
    some = {level: places["level"][level] for level in ("L1C", "L2A")} | {
        name: each for name, each in places["continent"].items() if name != "not stated"
    }
    metrics = {
        f"{name} places held out, {where}": each[figure]
        for where, each in some.items()
        for name, figure in (("accuracy", "agreement"), ("balanced accuracy", "balanced"))
    }
    return metrics | {
        f"F1 {name}, places held out": each["F1"] for name, each in places["class"].items()
    }


def _novelty(sets: dict[str, Parts], world: list[Chip]) -> NoveltyStatistics:
    """Fit statistics of the training pixels, of chips of the world at both levels.

    Limits come from the places of one fold and from validation parts, which they see nothing of.
    Sets and places count alike in the statistics; a group of the limits is a place or a date.
    """
    learnt = [_together(parts.training) for parts in sets.values()]
    kept = []
    for name, parts in sets.items():
        # Each of Tokyo's patches is too small to say what is ordinary.
        kept += [_together(parts.validation)] if name == "Tokyo" else map(_pixels, parts.validation)
    for chip in world:
        veils = [behind_veil(chip.piece, s) for s in _VEILS] if chip.level == "L2A" else []
        if chip.ships:
            (kept if chip.fold == _KEPT_FOLD else learnt).extend(map(_pixels, [chip.piece, *veils]))
    return fit_novelty(BANDS, learnt, kept)


def _together(pieces: list[Piece]) -> npt.NDArray[np.float32]:
    """Pixels of all pieces, up to 20,000 of each."""
    rng = np.random.default_rng(0)
    every = [_pixels(piece) for piece in pieces]
    return np.concatenate([pixels[rng.permutation(len(pixels))[:20_000]] for pixels in every])


def _pixels(piece: Piece) -> npt.NDArray[np.float32]:
    """Valid pixels (n, bands) of a piece, NaN in absent bands."""
    pixels = piece.image[:, piece.valid].T.copy()
    pixels[:, ~piece.present] = np.nan
    return pixels


def _bands(scaling: Scaling) -> tuple[InputBand, ...]:
    return tuple(
        InputBand(
            name=band.name,
            wavelength_nm=band.wavelength_nm,
            fwhm_nm=band.fwhm_nm,
            mean=round(float(mean), 6),
            std=round(float(std), 6),
        )
        for band, mean, std in zip(named_bands(BANDS), scaling.mean, scaling.std, strict=True)
    )


def _halo(plain: nn.Module, scaling: Scaling) -> ModelHalo:
    """Exact halo, and the shortest that changes less than 3 pixels in 10,000 of unseen scenes."""
    exact = probe_halo(plain, in_bands=len(BANDS), stride=STRIDE).exact
    drawn = simulated(700_000, ((10.0, 2, 640), (20.0, 1, 640))).training
    inputs = [scaling.apply(piece) for piece in drawn]
    default, changed = choose_halo(
        plain, inputs, stride=STRIDE, exact=exact, tile=256, tolerance=0.0003
    )
    return ModelHalo(default=default, exact=exact, changed=round(changed, 6))


def _temperature(network: nn.Module, scaling: Scaling, sets: dict[str, Parts]) -> float:
    """Temperature of the least loss over validation parts, each set counting alike."""
    samples = [
        _sample(network, scaling, parts.validation) for parts in sets.values() if parts.validation
    ]
    candidates = np.geomspace(0.5, 3.0, 73)
    losses = [
        sum(float(partial_loss(logits / t, label).mean()) for logits, label in samples)
        for t in candidates
    ]
    return float(candidates[int(np.argmin(losses))])


def _sample(
    network: nn.Module, scaling: Scaling, pieces: list, most: int = 50_000
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (pixels, classes, 1, 1) and labels (pixels, 1, 1) of labelled pixels."""
    logits, labels = [], []
    for some in alike(pieces):
        label = np.stack([p.label for p in some]).astype(np.int64)
        found = np.moveaxis(logits_of(network, scaling, some), 1, -1)[label > 0]
        logits.append(found)
        labels.append(label[label > 0])
    every: tuple[npt.NDArray, npt.NDArray] = np.concatenate(logits), np.concatenate(labels)
    chosen = np.random.default_rng(0).permutation(len(every[1]))[:most]
    return (
        torch.from_numpy(every[0][chosen])[..., None, None],
        torch.from_numpy(every[1][chosen])[:, None, None],
    )


def _calibration_error(
    network: nn.Module, scaling: Scaling, sets: dict[str, Parts], temperature: float
) -> float:
    """Mean over the sets of the error on their held-out parts, in the classes scored there."""
    errors = []
    for name in SCORED:
        shares, truth = group_probabilities(
            network, scaling, name, sets[name].held_out, temperature
        )
        errors.append(measure_reliability(shares, truth).ece.value)
        print(f"calibration error {name}: {errors[-1]:.3f}")
    return float(np.mean(errors))


def _metrics(network: nn.Module, scaling: Scaling, sets: dict[str, Parts]) -> dict[str, float]:
    """Accuracy on every held-out part, then macro F1, and with four bands only."""
    scores = {n: network_scores(network, scaling, n, sets[n].held_out) for n in SCORED}
    few = {
        n: network_scores(network, scaling, n, with_bands(sets[n].held_out, RGB_NIR))
        for n in SCORED
        if n != "Tokyo"  # its patches have neither green nor red
    }
    metrics = {f"accuracy {n}{_GROUPED.get(n, '')}": s.accuracy for n, s in scores.items()}
    metrics |= {f"macro F1 {n}": s.macro_f1 for n, s in scores.items()}
    metrics |= {f"accuracy {n}, RGB and NIR only": s.accuracy for n, s in few.items()}
    return {name: round(value, 3) for name, value in metrics.items()}
