"""Scenes and batches for training the demonstration model: simulated, varied, never the samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from landscape import make_scene
from sensor import SENTINEL2

Float = npt.NDArray[np.float32]

# The bands that every Sentinel-2 product has at 20 m and 60 m; B08 is at 10 m only.
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12")
PLANES = [SENTINEL2.names.index(name) for name in BANDS]
_COARSE = [i for i, plane in enumerate(PLANES) if SENTINEL2.native_m[plane] > 10]
PATCH, BATCH = 128, 8
IGNORE = -100


@dataclass(frozen=True)
class SceneSet:
    """Scenes to simulate: how many and how large at each ground sampling distance."""

    first_seed: int
    plan: tuple[tuple[float, int, int], ...]  # gsd_m, number of scenes, rows = cols

    @property
    def seeds(self) -> str:
        """The seeds as text, for the card."""
        return f"{self.first_seed}-{self.first_seed + sum(n for _, n, _ in self.plan) - 1}"


TRAINING = SceneSet(10_000, ((10.0, 130, 256), (20.0, 45, 192), (60.0, 30, 160)))
VALIDATION = SceneSet(50_000, ((10.0, 8, 192), (20.0, 4, 160), (60.0, 3, 128)))
TEST = SceneSet(90_000, ((10.0, 6, 256), (20.0, 3, 192), (60.0, 3, 160)))
# Larger than a tile, to see what tiling changes.
HALO = SceneSet(55_000, ((10.0, 2, 640), (20.0, 1, 640)))


@dataclass
class Scene:
    """One simulated scene: reflectance (bands, rows, cols) and output index (rows, cols)."""

    gsd_m: float
    image: Float
    target: npt.NDArray[np.int64]


def simulate(scenes: SceneSet) -> list[Scene]:
    """Simulate a set of scenes, bands in the model's order."""
    made, seed = [], scenes.first_seed
    for gsd_m, n, size in scenes.plan:
        for _ in range(n):
            image, truth = make_scene(seed, size, size, gsd_m=gsd_m)
            made.append(Scene(gsd_m, image[PLANES], truth.astype(np.int64) - 1))
            seed += 1
    return made


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of each band over the training pixels."""

    mean: Float
    std: Float

    @classmethod
    def of(cls, scenes: list[Scene]) -> Scaling:
        """Measure over every fourth pixel of every scene."""
        pixels = np.concatenate(
            [s.image[:, ::2, ::2].reshape(len(BANDS), -1) for s in scenes], axis=1
        )
        pixels = pixels.astype(np.float64)
        return cls(pixels.mean(axis=1).astype(np.float32), pixels.std(axis=1).astype(np.float32))

    def apply(self, image: Float, valid: npt.NDArray[np.bool_]) -> Float:
        """Normalise (bands, rows, cols); 0 where not valid."""
        return np.where(valid, (image - self.mean[:, None, None]) / self.std[:, None, None], 0.0)


def _crop(rng: np.random.Generator, scene: Scene) -> tuple[Float, npt.NDArray[np.int64]]:
    """Cut a patch; every second time the one of three candidates with most buildings and roads."""
    rows, cols = scene.target.shape
    corners = rng.integers(0, (rows - PATCH + 1, cols - PATCH + 1), (3, 2))
    if rng.random() < 0.5:
        corners = corners[:1]
    windows = [(slice(r, r + PATCH), slice(c, c + PATCH)) for r, c in corners]
    best = max(windows, key=lambda w: (scene.target[w] >= 5).sum())
    return scene.image[(slice(None), *best)], scene.target[best]


def _distort(rng: np.random.Generator, image: Float, gsd_m: float) -> Float:
    """Vary illumination, calibration, haze, noise and the resampling of the 20 m bands."""
    n = len(image)
    spread = 0.3 if rng.random() < 0.2 else 0.12
    gain = rng.uniform(1.0 - spread, 1.0 + spread) * rng.normal(1.0, 0.02, n)
    wavelength = SENTINEL2.wavelength_nm[PLANES]
    haze = rng.uniform(-0.006, 0.02) * (wavelength / 490.0) ** -rng.uniform(0.8, 2.2)
    image = image * gain[:, None, None] + haze[:, None, None]
    if gsd_m == 10.0 and rng.random() < 0.3:
        coarse = np.pad(image[_COARSE], ((0, 0), (1, 1), (1, 1)), mode="edge")
        coarse = (coarse[:, :-2] + 2 * coarse[:, 1:-1] + coarse[:, 2:]) / 4
        image[_COARSE] = (coarse[..., :-2] + 2 * coarse[..., 1:-1] + coarse[..., 2:]) / 4
    if rng.random() < 0.5:
        image = image + rng.normal(0.0, rng.uniform(0.0, 0.004), image.shape)
    return image.astype(np.float32)


def _wedge(rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return validity (PATCH, PATCH) with an oblique edge of nodata."""
    angle, reach = rng.uniform(0.0, 2 * np.pi), rng.uniform(-0.1, 0.5) * PATCH
    y, x = np.mgrid[:PATCH, :PATCH] - PATCH / 2
    return np.cos(angle) * x + np.sin(angle) * y < reach


def batches(
    scenes: list[Scene], scaling: Scaling, seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield (N, C, H, W) inputs and (N, H, W) targets without end."""
    rng = np.random.default_rng(seed)
    while True:
        inputs, targets = [], []
        for index in rng.integers(len(scenes), size=BATCH):
            scene = scenes[index]
            image, target = _crop(rng, scene)
            valid = _wedge(rng) if rng.random() < 0.2 else np.ones(target.shape, bool)
            image = scaling.apply(_distort(rng, image, scene.gsd_m), valid)
            target = np.where(valid, target, IGNORE)
            turns, flip = int(rng.integers(4)), slice(None, None, int(rng.choice([-1, 1])))
            inputs.append(np.rot90(image, turns, (1, 2))[..., flip].astype(np.float32))
            targets.append(np.rot90(target, turns)[..., flip])
        batch = torch.from_numpy(np.stack(inputs)).contiguous(memory_format=torch.channels_last)
        yield batch, torch.from_numpy(np.stack(targets))
