"""Sun, air, clouds and snow over training canvases, by simple physics, in reflectance.

What differs from scene to scene is the light and the weather, and few places show all of it. So
every batch gets its own: sun and slope dim the ground, snow and clouds cover it, clouds cast
shadows, and air scatters light into the sensor. The veil of a top-of-atmosphere scene (L1C) is the
mean Rayleigh path over T rho + path, checked on paired L1C and L2A scenes, from 0.6 to 1.6 times as
thick; taken off an L1C scene it gives about what L2A would be. So one image serves both levels.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from sets import BARE, CLOUD, CROP, SHADOW, SNOW, SURFACE, TREE, WATER, Float
from torch import Tensor

# In the order of sets.BANDS: B01 to B08, B8A, B09, B11, B12.
PATH = torch.tensor([.110, .072, .038, .021, .017, .013, .010, .008, .007, .004, .001, .0003])  # fmt: skip
PASSED = torch.tensor([.72, .80, .86, .90, .91, .92, .94, .93, .95, .60, .90, .83])  # fmt: skip
_MICROMETRES = torch.tensor([.443, .492, .560, .665, .704, .741, .783, .833, .865, .945, 1.614, 2.202])  # fmt: skip
# Snow: fresh, coarse-grained, soiled, and bare ice.
_SNOWS = torch.tensor([
    [.96, .96, .96, .95, .94, .93, .92, .90, .88, .80, .15, .12],
    [.94, .93, .91, .88, .84, .80, .75, .68, .62, .45, .03, .02],
    [.55, .57, .60, .62, .63, .63, .62, .58, .55, .42, .05, .04],
    [.55, .55, .50, .42, .36, .32, .28, .22, .18, .10, .01, .01],
])  # fmt: skip
# What a mineral or organic load adds to water.
_LOAD = torch.tensor([.03, .05, .09, .08, .07, .045, .045, .03, .025, .006, .003, .002])  # fmt: skip
# Skylight among all light on the ground: what a shadow keeps.
_SKYLIGHT = torch.tensor([.45, .38, .30, .25, .23, .21, .20, .18, .17, .16, .08, .06])  # fmt: skip
_FIELDS = 96


class Weather:
    """Random light and weather for batches of canvases.

    Parameters
    ----------
    seed : of everything drawn.
    side : rows and cols of a canvas.
    soils : (n, 12) reflectance of bright soils and sand to lay over the land.
    """

    def __init__(self, seed: int, side: int, soils: Float) -> None:
        self._rng = torch.Generator().manual_seed(seed)
        self._side = side
        self._soils = torch.from_numpy(soils)

    def change(self, image: Tensor, label: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """Give every canvas a light and a weather of its own.

        Parameters
        ----------
        image : (N, 12, rows, cols) reflectance.
        label : (N, rows, cols) bits of classes.
        level : (N,) True where the image is top of atmosphere (L1C).

        Returns
        -------
        Reflectance at a random level, and labels of what is to be seen now.
        """
        image = torch.where(level[:, None, None, None], self._without_veil(image), image)
        image = self._water(image, label)
        image, label = self._soil(image, label)
        image, label = self._snow(image, label)
        image = self._lit(image)
        image, label = self._clouds(image, label)
        return self._sensed(self._veiled(image)), label

    def _uniform(self, n: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, 1, 1, 1, generator=self._rng)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self._rng)

    def _often(self, n: int, share: float) -> Tensor:
        return torch.rand(n, 1, 1, 1, generator=self._rng) < share

    @cached_property
    def _bank(self) -> Tensor:
        """Fields of power law spectra of several roughnesses, (fields, rows, cols), deviation 1."""
        side = 2 * self._side
        frequency = torch.sqrt(
            torch.fft.fftfreq(side)[:, None] ** 2 + torch.fft.rfftfreq(side)[None] ** 2
        )
        frequency[0, 0] = 1.0
        power = 0.9 + 1.2 * torch.rand(_FIELDS, 1, 1, generator=self._rng)
        noise = torch.fft.rfft2(self._normal(_FIELDS, side, side)) * frequency**-power
        noise[:, 0, 0] = 0
        fields = torch.fft.irfft2(noise, s=(side, side))
        return fields / fields.std(dim=(1, 2), keepdim=True)

    def _fields(self, n: int) -> Tensor:
        """Draw smooth random fields (N, 1, rows, cols), as relief or clouds have them."""
        which = torch.randint(_FIELDS, (n,), generator=self._rng)
        row, col = torch.randint(self._side, (2,), generator=self._rng).tolist()
        field = self._bank[which, row : row + self._side, col : col + self._side]
        if torch.rand((), generator=self._rng) < 0.5:
            field = field.transpose(1, 2)
        return field[:, None]

    def _without_veil(self, image: Tensor) -> Tensor:
        """Take the mean veil off, thicker or thinner by a fifth."""
        strength = self._uniform(len(image), 0.8, 1.2)
        path, passed = PATH[None, :, None, None], PASSED[None, :, None, None]
        return ((image - strength * path) / passed**strength).clamp(min=1e-3)

    def _veiled(self, image: Tensor) -> Tensor:
        """Put air before half of the canvases; what L2A leaves of it, before the others."""
        n = len(image)
        strength = torch.where(
            self._often(n, 0.5), self._uniform(n, 0.5, 1.6), self._uniform(n, -0.15, 0.2)
        )
        path, passed = PATH[None, :, None, None], PASSED[None, :, None, None]
        image = passed**strength * image + strength * path
        haze = torch.where(self._often(n, 0.35), self._uniform(n, 0, 0.07), torch.zeros(1))
        falling = (_MICROMETRES / 0.49)[None, :, None, None] ** -self._uniform(n, 0.6, 2.0)
        return image * (1 - haze * falling) + haze * falling

    def _lit(self, image: Tensor) -> Tensor:
        """Vary the sun's height over a canvas, and over slopes where there is relief."""
        n = len(image)
        sun = torch.exp(0.03 * self._normal(n, 1, 1, 1))
        slopes = 1 + self._uniform(n, 0.1, 0.5) * self._fields(n)
        sun = sun * torch.where(self._often(n, 0.1), slopes.clamp(0.12, 1.7), torch.ones(1))
        # What the sun does not light, the sky does.
        sky = 0.3 * _SKYLIGHT[None, :, None, None]
        return image * (sky + (1 - sky) * sun)

    def _water(self, image: Tensor, label: Tensor) -> Tensor:
        """Vary the load of water and the glint on it."""
        n = len(image)
        load = torch.where(self._often(n, 0.4), self._uniform(n, 0, 1.3), torch.zeros(1))
        glint = torch.where(self._often(n, 0.2), self._uniform(n, 0, 0.05), torch.zeros(1))
        added = load * _LOAD[None, :, None, None] + glint
        return torch.where((label == WATER)[:, None], image + added, image)

    def _soil(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Lay bright soil or sand over land, with the land's own brightness as its texture."""
        n = len(image)
        which = torch.randint(len(self._soils), (2, n), generator=self._rng)
        share = self._uniform(n, 0, 1)
        soil = share[:, :, 0, 0] * self._soils[which[0]]
        soil += (1 - share[:, :, 0, 0]) * self._soils[which[1]]
        brightness = image.mean(dim=1, keepdim=True)
        texture = brightness / brightness.mean(dim=(2, 3), keepdim=True).clamp(min=1e-3)
        covered = (self._fields(n) > self._uniform(n, -1.5, 1.5)) & self._often(n, 0.12)
        covered &= (label[:, None] & ~(SURFACE & ~WATER & ~SNOW) == 0) & (label[:, None] > 0)
        laid = soil[:, :, None, None] * texture.clamp(0.4, 2.0) ** 0.5
        # A field stays one when it is ploughed; soil that is not bright may be one.
        bright = (soil[:, 3] > 0.2)[:, None, None]
        what = torch.where(bright, BARE, BARE | CROP).expand_as(label)
        what = torch.where(label == CROP, CROP, what)
        return torch.where(covered, laid, image), torch.where(covered[:, 0], what, label)

    def _snow(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Lay snow over land; under trees at most half of it is seen."""
        n = len(image)
        weights = -torch.log(torch.rand(n, len(_SNOWS), generator=self._rng))
        snow = (weights / weights.sum(dim=1, keepdim=True)) @ _SNOWS
        snow = snow[:, :, None, None] * self._uniform(n, 0.5, 1.05)
        field, low = self._fields(n), self._uniform(n, -2.0, 1.5)
        cover = torch.sigmoid((field - low) / self._uniform(n, 0.03, 0.4)) * self._often(n, 0.15)
        land = (label[:, None] & (WATER | CLOUD | SHADOW) == 0) | (label[:, None] == SURFACE)
        cover = cover * land
        trees = label[:, None] == TREE
        cover = torch.where(trees, 0.5 * cover, cover)
        image = (1 - cover) * image + cover * snow
        cover = cover[:, 0]
        partly = torch.where(label > 0, label | SNOW, label)
        label = torch.where(cover > 0.25, partly, label)
        return image, torch.where(cover > 0.75, SNOW, label)

    def _clouds(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Put clouds over the ground and their shadows on it; thin ones leave the label open."""
        n = len(image)
        field, low = self._fields(n), self._uniform(n, -0.5, 2.0)
        cloud = torch.sigmoid((field - low) / self._uniform(n, 0.1, 0.4)) * self._often(n, 0.28)
        cloud = cloud * self._uniform(n, 0.4, 1.0)
        down, across = torch.randint(-28, 29, (2,), generator=self._rng).tolist()
        shade = torch.roll(cloud, (down, across), dims=(2, 3))
        kept = _SKYLIGHT[None, :, None, None] * self._uniform(n, 0.7, 1.6)
        image = image * (1 - shade * (1 - kept))
        color = torch.ones(n, 12, 1, 1) * self._uniform(n, 0.4, 1.0)
        color[:, 10:] *= torch.cat([self._uniform(n, 0.35, 0.9), self._uniform(n, 0.3, 0.8)], dim=1)
        color[:, 9:10] *= self._uniform(n, 0.4, 0.9)
        image = (1 - cloud) * image + cloud * color * (1 + 0.08 * self._fields(n))
        cloud, shade = cloud[:, 0], shade[:, 0]
        dark = torch.where(label & WATER > 0, label | SHADOW, SHADOW)
        known = label > 0
        label = torch.where(known & (shade > 0.15), label | SHADOW, label)
        label = torch.where(known & (shade > 0.5), dark, label)
        label = torch.where(known & (cloud > 0.1), label | CLOUD, label)
        return image, torch.where(cloud > 0.4, CLOUD, label)

    def _sensed(self, image: Tensor) -> Tensor:
        """Vary calibration and spectral response by band, and add noise."""
        n = len(image)
        gain = torch.exp(0.02 * self._normal(n, 12, 1, 1) + 0.04 * self._normal(n, 1, 1, 1))
        offset = 0.003 * self._normal(n, 12, 1, 1)
        noise = self._uniform(n, 0, 0.004) * self._normal(*image.shape)
        return image * gain + offset + noise


def soils(spectra: list[dict[str, str]], bands: tuple[str, ...]) -> Float:
    """Select sand and soils that are not dark from a table of spectra in Sentinel-2's bands."""
    chosen = [
        [float(row[b]) for b in bands]
        for row in spectra
        if row["level_2"] == "bare" and float(row["B04"]) > 0.1
    ]
    return np.array(chosen, np.float32)
