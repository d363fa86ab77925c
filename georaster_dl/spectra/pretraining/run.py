"""Pretraining of band attention on tables of spectra: hidden windows are found from those that are shown."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, TrainingProgressed, Warned
from georaster_dl.core.text import slug
from georaster_dl.core.wording import counted
from georaster_dl.models.package.card import Architecture, Card, ModelHalo
from georaster_dl.models.package.file import save_model
from georaster_dl.models.package.values import InputBand
from georaster_dl.models.registry import create_model, describe_model
from georaster_dl.models.runtime.cost import measure_cost
from georaster_dl.models.runtime.device import Device
from georaster_dl.spectra.network.loop import rate
from georaster_dl.spectra.pretraining.draws import HIDDEN, Draw, Library
from georaster_dl.spectra.table.resample import resampled
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.table.unit_check import REFLECTANCE, likely_quantity

if TYPE_CHECKING:
    from georaster_dl.models.zoo.spectral.band_attention import BandAttention

__all__ = ["ARCHITECTURE", "PretrainOptions", "Pretrained", "pretrain"]

ARCHITECTURE = "band_attention"
"""The network whose weights fit any bands."""

_QUANTITY = "standardised values"  # of whatever table: no statistics of the libraries are its own
_WEIGHT_DECAY = 1e-2
_FEWEST = 100  # spectra
_TESTED = 10  # one spectrum in so many
_TESTS = 20  # draws of these
_REPORTED = 100  # steps between two events

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PretrainOptions:
    """Settings of a pretraining.

    Attributes
    ----------
    steps : of the optimiser, each with a table of its own.
    batch : spectra of such a table.
    learning_rate : the highest; it rises over the first tenth of the steps and falls to 0 as a cosine does.
    device : ``auto``, ``cpu`` or ``cuda:N``.
    seed : of all random numbers.
    """

    steps: int = 10_000
    batch: int = 128
    learning_rate: float = 2e-3
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises
        ------
        OptionError
            When one cannot work.
        """
        if self.steps < 10:
            raise OptionError(f"`steps={self.steps}` teach nothing; give 10 or more.")


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A pretrained network's card, and how well it finds hidden bands of spectra that it did not learn from.

    Attributes
    ----------
    spectra : number that it learnt from.
    r2 : of the hidden bands of held-out spectra, standardised.
    """

    card: Card
    spectra: int
    r2: float
    seconds: float


def pretrain(
    tables: Sequence[SpectraTable], out: Path, options: PretrainOptions, report: Report
) -> Pretrained:
    """Pretrain band attention on libraries without any labels, and write it as the package of an autoencoder.

    Every step is a little table by a random sensor, of whose windows half to three quarters are hidden; the loss is of
    the bands that were not shown (masked autoencoding, He et al. 2022). A tenth of the spectra tells how well it works.

    Parameters
    ----------
    tables : libraries; the others are brought to the wavelengths of the first. Classes and values are not read.
    out : model package to make (``.safetensors``).

    Raises
    ------
    OptionError
        When there are too few spectra, or a library does not cover the wavelengths of the first.
    """
    begun = time.monotonic()
    spectra, reflectances = _joined(tables, report)
    wavelengths = tables[0].wavelengths_nm
    if len(spectra) < _FEWEST:
        raise OptionError(
            f"{tables[0].name} has {counted(len(spectra), 'spectrum')}, but pretraining needs {_FEWEST} or more; give larger "
            f"libraries."
        )
    tested = np.random.default_rng(options.seed).permutation(len(spectra)) % _TESTED == 0
    known = describe_model(ARCHITECTURE)[1]
    learnt, held = (
        Library(
            spectra[rows],
            wavelengths,
            window=known["token"],
            reflectances=reflectances,
            seed=options.seed,
        )
        for rows in (~tested, tested)
    )
    where = Device.choose(options.device, "fp32").torch_device
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        torch.manual_seed(options.seed)
        network = create_model(
            ARCHITECTURE,
            in_bands=len(wavelengths),
            n_classes=len(wavelengths),
            wavelengths_nm=tuple(wavelengths.tolist()),
        ).to(where)
        _learn(network, learnt, options, report)
    r2 = _tested_r2(network, held, options)
    card = _card(out, network.cpu(), tables, int((~tested).sum()), r2, options)
    return Pretrained(
        save_model(out, card, network),
        int((~tested).sum()),
        r2,
        time.monotonic() - begun,
    )


def _joined(tables: Sequence[SpectraTable], report: Report) -> tuple[_Floats, bool]:
    """(n, bands) spectra of all libraries at the wavelengths of the first, and whether they are reflectances."""
    first = tables[0]
    quantities = [likely_quantity(table, report) for table in tables]
    if len(set(quantities)) > 1:
        raise OptionError(
            f"The libraries hold {' and '.join(sorted(set(quantities)))}; give libraries of one quantity."
        )
    parts = [first.spectra]
    for table in tables[1:]:
        same = np.array_equal(table.wavelengths_nm, first.wavelengths_nm)
        made = table if same else resampled(table, first.wavelengths_nm)
        for repair in made.repairs[len(table.repairs) :]:
            report(Warned(repair))
        parts.append(made.spectra)
    return np.concatenate(parts), quantities[0] == REFLECTANCE


def _learn(network: nn.Module, library: Library, options: PretrainOptions, report: Report) -> None:
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=options.learning_rate, weight_decay=_WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, partial(rate, rising=options.steps // 10, total=options.steps)
    )
    random = np.random.default_rng(options.seed)
    network.train()
    begun, recent = time.monotonic(), []
    for step in range(1, options.steps + 1):
        found, wanted = _hidden_bands(network, library.draw(options.batch, random))
        loss = (found - wanted).abs().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        recent.append(loss.item())
        if step % _REPORTED == 0 or step == options.steps:
            left = (time.monotonic() - begun) / step * (options.steps - step)
            report(TrainingProgressed(step, options.steps, left, float(np.mean(recent))))
            recent.clear()
    network.eval()


def _hidden_bands(network: nn.Module, draw: Draw) -> tuple[Tensor, Tensor]:
    """Found and true values (n, hidden bands), standardised."""
    where = next(network.parameters()).device
    inputs, targets = (
        torch.from_numpy(values).to(where, torch.float32) for values in (draw.inputs, draw.targets)
    )
    shown, hidden = (torch.from_numpy(rows).to(where) for rows in (draw.shown, draw.hidden))
    planes = cast("BandAttention", network).of_bands(inputs, draw.wavelengths_nm.tolist(), shown)
    return planes[:, hidden], targets[:, hidden]


@torch.inference_mode()
def _tested_r2(network: nn.Module, library: Library, options: PretrainOptions) -> float:
    """R2 of hidden bands, over many draws."""
    random = np.random.default_rng(options.seed + 1)
    squares, of_all = 0.0, 0.0
    for _ in range(_TESTS):
        found, wanted = _hidden_bands(network, library.draw(options.batch, random))
        squares += float((found - wanted).square().sum())
        of_all += float(wanted.square().sum())
    return 1 - squares / of_all


def _card(
    out: Path,
    network: nn.Module,
    tables: Sequence[SpectraTable],
    learnt: int,
    r2: float,
    options: PretrainOptions,
) -> Card:
    wavelengths = tables[0].wavelengths_nm
    bands = tuple(
        InputBand(name=f"{nm:.8g} nm", wavelength_nm=nm, mean=0.0, std=1.0)
        for nm in wavelengths.tolist()
    )
    return Card(
        name=slug(out.stem),
        version="1",
        description=f"Start for networks of spectra of any bands, pretrained on {counted(learnt, 'spectrum')} from "
        f"{wavelengths[0]:g} to {wavelengths[-1]:g} nm without labels",
        task="autoencoder",
        architecture=Architecture(name=ARCHITECTURE, options=describe_model(ARCHITECTURE)[1]),
        bands=bands,
        quantity=_QUANTITY,
        stride=1,
        halo=ModelHalo(default=0, exact=0, changed=0),
        cost=measure_cost(network, in_bands=len(bands), stride=1),
        training={
            "tables": ", ".join(table.name for table in tables)[:500],
            "spectra": f"{learnt:,}",
        },
        configuration={
            **{name: str(value) for name, value in vars(options).items()},
            "corruption.hidden": "-".join(map(str, HIDDEN)),
        },
        metrics={"R2 of hidden bands, held out": round(r2, 4)},
        limitations="It finds hidden bands and maps nothing; train a model from it.",
    )
