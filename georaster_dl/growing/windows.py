"""Values of the pixels of a scene's windows, by which they are compared: spectra, or features of a network."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.arrays import scene_in_memory
from georaster_dl.io.raster import Raster
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.models.package.file import read_card
from georaster_dl.predict.engine.network_cache import NetworkCache
from georaster_dl.predict.engine.tiling_plan import tile_context
from georaster_dl.predict.features import FeatureRun
from georaster_dl.predict.matching.doubts import SceneDoubts
from georaster_dl.predict.matching.scene_match import match_scene
from georaster_dl.predict.options import FeatureOptions, FeatureOutputs
from georaster_dl.predict.prepare import open_input

__all__ = ["FeatureWindows", "SpectrumWindows", "Windows", "windows_of"]


class Windows(Protocol):
    """Values of a scene's windows.

    Attributes
    ----------
    scene : that is read.
    warnings : doubts about the scene, which do not stop anything.
    """

    scene: Scene
    warnings: tuple[str, ...]

    def read(self, rows: slice, cols: slice) -> Raster:
        """Read the values of a window inside the scene."""


def windows_of(
    source: str | Path,
    options: SceneOptions,
    model: Path | None,
    device: str,
    networks: NetworkCache,
) -> Windows:
    """Open a scene for windows of its spectra, or of a model's features.

    Parameters
    ----------
    model : package whose network gives the features; None takes the spectra.
    networks : keeps the network for the next window.

    Raises
    ------
    GeoRasterError
        When the scene cannot be opened, or the model does not fit it.
    """
    scene = open_input(source, options)
    if model is None:
        return SpectrumWindows(scene)
    return FeatureWindows(scene, model, FeatureOptions(device=device), networks)


class SpectrumWindows:
    """Physical values of the good bands; a ``Windows``."""

    def __init__(self, scene: Scene) -> None:
        good = [i for i, band in enumerate(scene.bands) if band.good]
        self.scene = scene.select(good) if good else scene
        self.warnings = scene.remarks

    def read(self, rows: slice, cols: slice) -> Raster:
        """Read the values of a window inside the scene."""
        return self.scene.read(rows, cols)


class FeatureWindows:
    """Features of a network, as ``geodl features`` writes them; a ``Windows``.

    Parameters
    ----------
    scene : as ``open_input`` gives it.
    model : package of any task.
    networks : keeps the network for the next window.
    """

    def __init__(
        self, scene: Scene, model: Path, options: FeatureOptions, networks: NetworkCache
    ) -> None:
        card = read_card(model)
        match = match_scene(scene, card)
        exact: Literal["auto", "exact"] = "auto" if card.halo.exact is None else "exact"
        self.scene = match.scene
        self.warnings = tuple(filter(None, SceneDoubts(scene, match).warnings()))
        self._model, self._options, self._networks = model, options, networks
        self._halo = tile_context(match.card, exact).halo
        self._stride = match.card.stride

    def read(self, rows: slice, cols: slice) -> Raster:
        """Read the features of a window inside the scene, which its surroundings take part in."""
        outer = [
            self._surrounded(window, length)
            for window, length in zip((rows, cols), self.scene.shape, strict=True)
        ]
        surrounded = self.scene.read(*outer)
        if not surrounded.valid.any():
            return surrounded
        run = FeatureRun(
            scene_in_memory(surrounded),
            self._model,
            FeatureOutputs(Path("memory")),
            self._options,
            lambda _event: None,  # doubts were told of the whole scene
            self._networks,
        )
        made = run.in_memory()["features"]
        inner = tuple(
            slice(window.start - around.start, window.stop - around.start)
            for window, around in zip((rows, cols), outer, strict=True)
        )
        return Raster(
            made.array[:, *inner], made.valid[inner], self.scene.geobox[rows, cols], made.bands
        )

    def _surrounded(self, window: slice, length: int) -> slice:
        """A span with its halo, which begins on the grid of the network's stride as tiles do."""
        start = max(window.start - self._halo, 0) // self._stride * self._stride
        return slice(start, min(window.stop + self._halo, length))
