"""Rays of a LiDAR cast upon boxes, ellipsoids, upright cylinders and leaves; street.py makes a street of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FARTHEST_M = 90.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Thing:
    """An object of the street.

    Attributes
    ----------
    centre : x along the street, y to the left, z up from the road, when the drive begins.
    half : half of its size along x, y and z.
    speed : along x, metres a second.
    depth_m : mean depth at which leaves stop a ray; 0 of what is opaque.
    """

    shape: str
    kind: int
    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    speed: float = 0.0
    depth_m: float = 0.0


def may_hit(
    thing: Thing, azimuth: Floats, seconds: Floats, *, speed: float, side: float
) -> npt.NDArray[np.intp]:
    """Choose firings (columns) that may hit a thing, of a sensor with a speed along x at a side (y)."""
    x = thing.centre[0] + (thing.speed - speed) * seconds[len(seconds) // 2]
    y = thing.centre[1] - side
    radius = float(np.hypot(*thing.half[:2])) + abs(thing.speed - speed) * float(np.ptp(seconds))
    distance = float(np.hypot(x, y))
    if distance - radius > FARTHEST_M:
        return np.empty(0, np.intp)
    if distance <= radius:
        return np.arange(len(azimuth))
    off = np.abs((azimuth - np.arctan2(y, x) + np.pi) % (2 * np.pi) - np.pi)
    return np.flatnonzero(off <= np.arcsin(radius / distance) + 2 * np.pi / len(azimuth))


def cast(thing: Thing, ray: Floats, origin: Floats, rng: np.random.Generator) -> Floats:
    """Compute ranges (fibers, columns) at which rays of an origin relative to a thing hit it; infinite where none does."""
    half = np.array(thing.half)[:, None, None]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        near, far = _ENTRIES[thing.shape](ray / half, origin / half)
        hit = (far > 0) & (near <= far)
        entry = np.maximum(near, 0.0)
        if thing.depth_m:
            entry = entry + rng.exponential(thing.depth_m, entry.shape)
            hit &= entry < far
    return np.where(hit & (entry > 0), entry, np.inf)


def _box(ray: Floats, origin: Floats) -> tuple[Floats, Floats]:
    one, other = (-1 - origin) / ray, (1 - origin) / ray
    return np.minimum(one, other).max(axis=0), np.maximum(one, other).min(axis=0)


def _ellipsoid(ray: Floats, origin: Floats) -> tuple[Floats, Floats]:
    return _roots((ray * ray).sum(0), (ray * origin).sum(0), (origin * origin).sum(0) - 1)


def _cylinder(ray: Floats, origin: Floats) -> tuple[Floats, Floats]:
    near, far = _ellipsoid(ray[:2], origin[:2])
    bottom, top = _box(ray[2:], origin[2:])
    return np.maximum(near, bottom), np.minimum(far, top)


def _roots(square: Floats, linear: Floats, constant: Floats) -> tuple[Floats, Floats]:
    inside = linear**2 - square * constant
    root = np.sqrt(np.maximum(inside, 0))
    missed = inside < 0
    return (
        np.where(missed, np.inf, (-linear - root) / square),
        np.where(missed, -np.inf, (-linear + root) / square),
    )


_ENTRIES = {"box": _box, "ellipsoid": _ellipsoid, "cylinder": _cylinder}
