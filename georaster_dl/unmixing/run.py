"""Unmix a scene: find or read members, map the fraction of each, and keep the model."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from georaster_dl.core.events import Report, SceneStarted, Warned, no_report
from georaster_dl.core.wording import counted
from georaster_dl.io.output.provenance import provenance
from georaster_dl.io.output.staging import FailedOutput, Staging
from georaster_dl.io.scenes.checks.calibration import calibration_warning
from georaster_dl.io.scenes.reader import Sources, open_scene
from georaster_dl.io.shown import ShownResult
from georaster_dl.models.package.card import Architecture, Card
from georaster_dl.pixels.inputs.strips import sample_pixels, usable_bands, warn_doubts
from georaster_dl.pixels.mapping import ChannelRaster, map_pixels
from georaster_dl.predict.outputs.overview import write_fraction_overview
from georaster_dl.predict.outputs.staged import staged_outputs
from georaster_dl.predict.progress import Progress
from georaster_dl.spectra.table.samples import SpectraTable, read_spectra
from georaster_dl.unmixing.library import bands_within, check_size, library_members
from georaster_dl.unmixing.maps import Mixtures, error_raster, fraction_raster
from georaster_dl.unmixing.members import Members, check_count, draw_members, write_members
from georaster_dl.unmixing.number import ErrorCurve, error_curve, signal_dimension
from georaster_dl.unmixing.options import UnmixOptions, UnmixOutputs
from georaster_dl.unmixing.package import (
    Statistics,
    autoencoder,
    card_of,
    linear_mixing,
    quantity_of,
)
from georaster_dl.unmixing.search import find_members
from georaster_dl.unmixing.train import STEPS, read_patches, train_autoencoder

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from georaster_dl.models.zoo.unmixing.autoencoder import UnmixingAutoencoder

__all__ = ["Unmixed", "unmix"]

_MOST_PIXELS = 100_000

_Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Unmixed(ShownResult):
    """Result of an unmixing.

    Attributes
    ----------
    files : written files, the map last.
    fractions : mean fraction of each member over all pixels, by name.
    rmse : root mean square of what the mixtures leave unexplained, over pixels and bands, in the scene's unit.
    rmse_fcls : the same of least squares with the members before an autoencoder changed them.
    places : row and column, from 0, of the pixel that each member is, by name; empty for members of a table.
    curve : errors by number of members, where it was chosen; None where it was given.
    source : of the members, as a phrase.
    sampled : pixels that the members were found in.
    pixels : of the raster, valid or not.
    failed : extra outputs, and styles, that could not be written; each was reported as a warning.
    """

    files: tuple[Path, ...]
    fractions: dict[str, float]
    rmse: float
    rmse_fcls: float
    curve: ErrorCurve | None
    source: str
    places: dict[str, tuple[int, int]]
    sampled: int
    pixels: int
    seconds: float
    failed: tuple[FailedOutput, ...] = ()


def unmix(
    sources: Sources,
    outputs: UnmixOutputs,
    options: UnmixOptions | None = None,
    report: Report = no_report,
) -> Unmixed:
    """Find the materials that the pixels of a scene are mixed of, and map the fraction of each.

    Members are spectra of a random sample of the valid pixels, or of a table. A second pass fits every valid
    pixel. The same seed gives the same map.

    Parameters
    ----------
    sources : path or address of the raster, several single files of it, or an open scene.
    outputs : files to make. All appear at the end, or none; an extra one that fails is left out, with
        a warning and in the result's ``failed``.
    report : called with ``start``, ``progress`` and ``warning`` events.

    Raises
    ------
    GeoRasterError
        Whatever is wrong with the raster, the table, the options or the outputs; nothing is left behind.
    """
    options = options or UnmixOptions()
    options.check()
    begun = time.monotonic()
    run = _Run(sources, options, report)
    with staged_outputs(
        outputs.all(),
        list(options.members),
        lambda: run.scene,
        overwrite=options.overwrite,
        report=report,
    ) as stage:
        made = run.into(stage, outputs)
    written, seconds = tuple(stage.made(outputs.all())), time.monotonic() - begun
    return replace(made, files=written, seconds=seconds, failed=stage.failed)


class _Run:
    """One unmixing, from the scene and the table to the files.

    Attributes
    ----------
    scene : with the bands that are used.
    """

    def __init__(self, sources: Sources, options: UnmixOptions, report: Report) -> None:
        self._options, self._report = options, report
        self._table: SpectraTable | None = None
        scene = usable_bands(open_scene(sources, options.scene))
        if options.members:
            self._table = read_spectra(options.members)
            self._warn(*self._table.repairs)
            inside, left_out = bands_within(self._table, scene.bands, scene.name)
            self._warn(*left_out)
            scene = scene.select(inside)
        self.scene = scene
        warn_doubts(scene, report)
        if quantity_of(scene) == "reflectance":
            self._warn(calibration_warning(scene))
        if isinstance(options.k, int):
            check_count(options.k, len(scene.bands), shade=options.shade, scene=scene.name)

    def into(self, stage: Staging, outputs: UnmixOutputs) -> Unmixed:
        """Make the files; their names and the time are not yet in the result."""
        scene, options = self.scene, self._options
        rows, cols = scene.shape
        self._report(SceneStarted("cpu", scene.name, rows, cols))
        trains = options.method == "autoencoder"
        progress = Progress((3 if trains else 2) * rows * cols, self._report)
        sample, places = sample_pixels(scene, _MOST_PIXELS, options.seed, progress)
        statistics = Statistics(sample)
        members, curve = self._members(sample, places, statistics)
        linear = linear_mixing(members, statistics, shade=options.shade)
        trained: UnmixingAutoencoder | None = None
        network: nn.Module = linear
        architecture = Architecture(name="linear_mixing", options={"shade": options.shade})
        if trains:
            trained = network = self._trained(members, statistics, progress)
            members = replace(members, spectra=trained.members.detach().numpy().astype(np.float64))
            architecture = Architecture(name="unmix_ae", options={"bilinear": options.bilinear})
        card = card_of(
            (outputs.model or outputs.map).stem,
            architecture,
            members,
            statistics,
            scene,
            self._settings,
        )
        mixtures = Mixtures(linear, statistics, trained)
        self._map(mixtures, card, stage, outputs, progress)
        errors = mixtures.rmse()
        with stage.making(outputs.members) as table:
            write_members(members, table, scene.geobox)
        with stage.making(outputs.picture) as picture:
            draw_members(members, picture, quantity_of(scene), curve)
        if outputs.model is not None:
            from georaster_dl.models.package.file import save_model

            with stage.making(outputs.model) as package:
                metrics = {"RMSE": errors[0], "RMSE of least squares": errors[-1]}
                save_model(package, card.model_copy(update={"metrics": metrics}), network)
        shares = dict(zip(members.names, mixtures.means(), strict=True))
        return Unmixed(
            files=(),
            fractions=shares,
            rmse=errors[0],
            rmse_fcls=errors[-1],
            curve=curve,
            source=members.source,
            places=dict(zip(members.names, members.places, strict=False)),
            sampled=len(sample),
            pixels=rows * cols,
            seconds=0.0,
        )

    def _warn(self, *messages: str | None) -> None:
        for message in messages:
            if message is not None:
                self._report(Warned(message))

    @property
    def _settings(self) -> dict[str, str]:
        """Settings that the fractions depend on."""
        options = self._options
        of_members = (
            {"members": ", ".join(path.name for path in options.members)}
            if options.members
            else {"search": options.search, "k": str(options.k)}
        )
        of_method = (
            {"smoothness": f"{options.smoothness:g}", "bilinear": str(options.bilinear)}
            if options.method == "autoencoder"
            else {"shade": str(options.shade)}
        )
        return {"method": options.method, **of_members, **of_method, "seed": str(options.seed)}

    def _members(
        self, sample: npt.NDArray[np.float32], places: _Places, statistics: Statistics
    ) -> tuple[Members, ErrorCurve | None]:
        """Find or read the members, and the curve by which their number was chosen."""
        options, scene = self._options, self.scene
        if self._table is not None:
            members, doubts = library_members(
                self._table,
                scene.bands,
                scene.name,
                class_field=options.class_field,
                scale=options.members_scale,
            )
            self._warn(*doubts)
            check_count(
                len(members),
                len(scene.bands),
                shade=options.shade,
                scene=scene.name,
                of_library=True,
            )
            check_size(members, statistics.mean, statistics.std, self._table.name)
            return members, None
        curve = None
        if isinstance(options.k, int):
            k = options.k
            self._warn_of_noise(k, sample)
        else:
            curve = error_curve(sample, options.search, options.seed)
            k = curve.chosen
        found = find_members(sample, k, options.search, options.seed)
        names = tuple(f"member {i}" for i in range(1, k + 1))
        spectra = sample[found].astype(np.float64)
        at = tuple(
            (int(place) // scene.shape[1], int(place) % scene.shape[1]) for place in places[found]
        )
        return Members(names, scene.bands, spectra, f"pixels of {scene.name}", at), curve

    def _warn_of_noise(self, k: int, sample: npt.NDArray[np.float32]) -> None:
        noise, dimension = signal_dimension(sample)
        if dimension is not None and dimension < k:
            self._warn(
                f"{self.scene.name} holds signal above its noise ({noise:.2g}) in {counted(dimension, 'direction')} only (HySime), so some of "
                f"{counted(k, 'member')} are noise; ask for fewer, or let k=auto print the error against their number"
            )

    def _trained(
        self, members: Members, statistics: Statistics, progress: Progress
    ) -> UnmixingAutoencoder:
        import torch

        options, pixels = self._options, self.scene.shape[0] * self.scene.shape[1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            network = autoencoder(members, bilinear=options.bilinear)
        train_autoencoder(
            network,
            read_patches(self.scene, options.seed),
            statistics,
            smoothness=options.smoothness,
            seed=options.seed,
            progress=lambda steps: progress(steps * pixels // STEPS),
        )
        return network

    def _map(
        self,
        mixtures: Mixtures,
        card: Card,
        stage: Staging,
        outputs: UnmixOutputs,
        progress: Progress,
    ) -> None:
        rasters: dict[Path, ChannelRaster] = {
            outputs.map: fraction_raster(card, float32=self._options.float32)
        }
        if outputs.error is not None:
            methods = 1 if self._options.method == "fcls" else 2
            rasters[outputs.error] = error_raster(methods)
        tags = provenance(
            self.scene,
            self._options.scene,
            model=f"{card.architecture.name}, {len(card.targets)} members",
            parameters=self._settings,
        )
        map_pixels(self.scene, mixtures, rasters, stage, tags, progress)
        if outputs.quicklook is not None:
            with stage.making(outputs.quicklook) as picture:
                names = [target.name for target in card.targets]
                write_fraction_overview(self.scene, stage.path(outputs.map), picture, names)
