"""Make a rotating LiDAR's drive along a street, with the class and firing time of every point.

    python sample_tiles/street.py street --rotations 20 --seed 0
    python sample_tiles/street.py small --rotations 3 --seed 0 --fibers 16 --firings 180

Simulated, like all sample scenes. Rays of 64 lasers, 1,800 firings a turn, ten turns a second, are cast from a roof 2.5 m above
a street, at 8 m/s, upon ground, houses, parked and driving vehicles, pedestrians, trunks, crowns, hedges, posts and signs.
Everything moves while the sensor turns. Houses and vehicles are boxes, pedestrians ellipsoids, posts and trunks
cylinders; leaves stop a ray after a random depth. Ranges have 2 cm of noise, and some rays have no return. Another seed is
another street.

Written in the layout of HelixNet: velodyne/*.bin of nine float32 (x y z of the world, r theta z of the sensor, intensity, fiber,
time), labels/*.bin of a byte, and poses.txt, where the sensor is as each rotation starts. There are no artefacts.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rays import FARTHEST_M, Floats, Thing, cast, may_hit

ROAD, OTHER, BUILDING, VEGETATION, SIGN, STATIC, MOVING, PEDESTRIAN = range(1, 9)
REFLECTION = {  # mean intensity of each class, 0 to 255
    ROAD: 22.0,
    OTHER: 38.0,
    BUILDING: 70.0,
    VEGETATION: 48.0,
    SIGN: 150.0,
    STATIC: 90.0,
    MOVING: 90.0,
    PEDESTRIAN: 60.0,
}
HEIGHT_M, SIDE_M, SPEED, PERIOD_S = 2.5, -1.7, 8.0, 0.1  # traffic keeps to the right
NOISE_M, LOST = 0.02, 0.03
KERB_M = 0.12


@dataclass(frozen=True)
class Street:
    """A street along x: half the road's width, and where the houses begin, both from its middle line."""

    road: float
    front: float
    crossings: Floats
    things: tuple[Thing, ...]


def simulate_street(
    folder: Path | str, *, rotations: int, seed: int, fibers: int = 64, firings: int = 1800
) -> None:
    """Write a drive of so many rotations in the layout of HelixNet."""
    folder = Path(folder)
    street = draw_street(np.random.default_rng([seed, 0]), SPEED * PERIOD_S * rotations)
    rng = np.random.default_rng([seed, 1])
    for name in ("velodyne", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    poses = []
    for number in range(rotations):
        points, labels = one_rotation(street, rng, number * PERIOD_S, fibers, firings)
        points.astype("<f4").tofile(folder / f"velodyne/{number:06d}.bin")
        labels.tofile(folder / f"labels/{number:06d}.bin")
        start = SPEED * number * PERIOD_S
        poses.append(f"1 0 0 {start:.6g} 0 1 0 {SIDE_M} 0 0 1 {HEIGHT_M}")
    (folder / "poses.txt").write_text("\n".join(poses) + "\n", encoding="ascii")


def draw_street(rng: np.random.Generator, length: float) -> Street:
    """Draw a street for a drive of so many metres."""
    first, last = -FARTHEST_M, length + FARTHEST_M
    road = rng.uniform(4.5, 6.5)
    front = road + rng.uniform(3.0, 6.0)
    crossings = np.arange(first + rng.uniform(10, 60), last, rng.uniform(50, 80))
    clear = crossings, 6.0
    things: list[Thing] = []
    for side in (-1, 1):
        things += _houses(rng, first, last, side * front, clear)
        things += _furniture(rng, first, last, side * (road + 0.9), clear)
        for x in _places(rng, first, last, (6.0, 11.0), clear):
            if rng.random() < 0.45:
                things += _vehicle(rng, x, side * (road - 1.1), STATIC, 0.0)
        pace = -SPEED if side > 0 else SPEED  # the other lane comes towards the sensor
        for x in _places(rng, first, last, (16.0, 45.0), (np.zeros(1), 12.0 if side < 0 else 0.0)):
            y = side * rng.uniform(1.5, 1.9)
            things += _vehicle(rng, x, y, MOVING, pace + rng.uniform(-0.6, 0.6))
        for x in _places(rng, first, last, (4.0, 14.0), (crossings, 0.0)):
            tall = rng.uniform(0.75, 0.95)
            y = side * rng.uniform(road + 1.4, front - 0.5)
            body = (rng.uniform(0.22, 0.3), rng.uniform(0.25, 0.35), tall)
            walk = rng.choice([-1, 1]) * rng.uniform(0.8, 1.7)
            things.append(Thing("ellipsoid", PEDESTRIAN, (x, y, tall + KERB_M), body, walk))
    return Street(road, front, crossings, tuple(things))


def _places(
    rng: np.random.Generator,
    first: float,
    last: float,
    apart: tuple[float, float],
    clear: tuple[Floats, float],
) -> list[float]:
    """Draw places along the street, not on its crossings."""
    steps = rng.uniform(*apart, int((last - first) / apart[0]) + 1)
    places = first + np.cumsum(steps)
    distance = np.abs(places[:, None] - clear[0]).min(axis=1)
    return [float(x) for x in places[(places < last) & (distance >= clear[1])]]


def _houses(
    rng: np.random.Generator, first: float, last: float, y: float, clear: tuple[Floats, float]
) -> list[Thing]:
    things = []
    x = first
    while x < last:
        wide, gap = rng.uniform(8, 22), rng.choice([0.0, 0.0, rng.uniform(2, 8)])
        back, tall = rng.choice([0.0, 0.0, rng.uniform(1, 5)]), rng.uniform(5, 16)
        middle = x + wide / 2
        if np.abs(clear[0] - middle).min() > clear[1] + wide / 2:
            out = np.sign(y)
            centre = middle, y + out * (back + 6), tall / 2
            things.append(Thing("box", BUILDING, centre, (wide / 2, 6.0, tall / 2)))
            if back > 1.5 and rng.random() < 0.7:  # a hedge before the front garden
                hedge = rng.uniform(0.4, 0.8)
                things.append(
                    Thing(
                        "box",
                        VEGETATION,
                        (middle, y + out * 0.5, hedge),
                        (wide / 2 - 1, 0.45, hedge),
                        depth_m=0.12,
                    )
                )
        x += wide + gap
    return things


def _furniture(
    rng: np.random.Generator, first: float, last: float, y: float, clear: tuple[Floats, float]
) -> list[Thing]:
    """Trees, posts and signs at the kerb."""
    things = []
    for x in _places(rng, first, last, (7.0, 18.0), clear):
        if rng.random() < 0.6:
            crown, stem = rng.uniform(1.2, 2.4), rng.uniform(0.9, 1.6)
            things.append(
                Thing("cylinder", VEGETATION, (x, y, stem), (rng.uniform(0.1, 0.2),) * 2 + (stem,))
            )
            high = rng.uniform(1.2, 2.2)
            centre = x, y, 2 * stem + 0.8 * high
            things.append(Thing("ellipsoid", VEGETATION, centre, (crown, crown, high), depth_m=0.7))
        else:
            tall = rng.uniform(1.4, 3.0)
            things.append(Thing("cylinder", SIGN, (x, y, tall), (0.06, 0.06, tall)))
            plate = rng.uniform(0.25, 0.45)
            things.append(
                Thing("box", SIGN, (x, y, min(2 * tall, 2.6) - plate), (0.02, plate, plate))
            )
    return things


def _vehicle(rng: np.random.Generator, x: float, y: float, kind: int, speed: float) -> list[Thing]:
    """A body and a cabin, or the box of a van."""
    if rng.random() < 0.2:
        tall = rng.uniform(0.9, 1.3)
        half = rng.uniform(2.4, 3.4), rng.uniform(0.9, 1.05), tall
        return [Thing("box", kind, (x, y, 0.3 + tall), half, speed)]
    half = rng.uniform(1.9, 2.4), rng.uniform(0.8, 0.92), 0.36
    cabin = 0.55 * half[0], half[1] - 0.1, 0.3
    return [
        Thing("box", kind, (x, y, 0.25 + 0.36), half, speed),
        Thing("box", kind, (x - 0.1 * half[0], y, 0.97 + 0.3), cabin, speed),
    ]


def elevations(fibers: int) -> Floats:
    """Choose elevations in radians, as an HDL-64's: a third of a degree apart above, half below."""
    all_of_them = np.concatenate([2 - np.arange(32) / 3, -8.83 - np.arange(32) / 2])
    return np.radians(all_of_them[np.linspace(0, 63, fibers).round().astype(int)])


def one_rotation(
    street: Street, rng: np.random.Generator, start: float, fibers: int, firings: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Cast the rays of a turn: points (firings * fibers, 9) in firing order, and their labels."""
    turned = np.arange(firings) / firings
    azimuth, seconds = 2 * np.pi * turned, start + PERIOD_S * turned
    up = elevations(fibers)
    level = np.cos(up)[:, None]
    ray = np.stack(  # (3, fibers, firings)
        [
            level * np.cos(azimuth),
            level * np.sin(azimuth),
            np.broadcast_to(np.sin(up)[:, None], (fibers, firings)),
        ]
    )
    nearest, label = _ground(street, ray, SPEED * seconds)
    for thing in street.things:
        columns = may_hit(thing, azimuth, seconds, speed=SPEED, side=SIDE_M)
        if not len(columns):
            continue
        centre = np.array(thing.centre)[:, None] + np.zeros(len(columns))
        centre[0] += (thing.speed - SPEED) * seconds[columns]
        centre[1] -= SIDE_M
        centre[2] -= HEIGHT_M
        reach = cast(thing, ray[:, :, columns], -centre[:, None], rng)
        closer = reach < nearest[:, columns]
        nearest[:, columns] = np.where(closer, reach, nearest[:, columns])
        label[:, columns] = np.where(closer, thing.kind, label[:, columns])
    lost = rng.random(label.shape) < LOST + 0.3 * (nearest / FARTHEST_M) ** 2
    label[lost | (nearest > FARTHEST_M)] = 0
    reach = np.where(label > 0, nearest + rng.normal(0, NOISE_M, nearest.shape), 0.0)
    intensity = _intensity(label, reach, rng)
    return _columns_of_file(ray, reach, azimuth, seconds, intensity), label.T.ravel()


def _columns_of_file(
    ray: Floats, reach: Floats, azimuth: Floats, seconds: Floats, intensity: Floats
) -> npt.NDArray[np.float32]:
    x, y, z = ray * reach
    there = reach > 0
    fibers = np.arange(len(reach))[:, None]
    columns = (
        np.where(there, x + SPEED * seconds, 0),
        np.where(there, y + SIDE_M, 0),
        np.where(there, z + HEIGHT_M, 0),
        np.hypot(x, y),
        np.broadcast_to(azimuth, reach.shape),
        z,
        intensity,
        np.broadcast_to(fibers, reach.shape),
        np.broadcast_to(seconds, reach.shape),
    )
    return np.stack(columns, axis=-1).transpose(1, 0, 2).reshape(-1, 9).astype(np.float32)


def _intensity(label: npt.NDArray[np.uint8], reach: Floats, rng: np.random.Generator) -> Floats:
    mean = np.zeros(256)
    mean[list(REFLECTION)] = list(REFLECTION.values())
    bright = mean[label] * np.exp(-reach / 120) * rng.lognormal(0, 0.3, label.shape)
    return np.clip(np.round(bright), 0, 255)


def _ground(street: Street, ray: Floats, x: Floats) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Cast rays upon the road, and the pavement that is a kerb higher."""
    down = np.minimum(ray[2], -1e-9)
    road = -HEIGHT_M / down
    pavement = -(HEIGHT_M - KERB_M) / down
    across = np.where(ray[1] < 0, np.minimum(ray[1], -1e-9), np.maximum(ray[1], 1e-9))
    kerb = (np.sign(across) * street.road - SIDE_M) / across
    crossing = np.abs((x + ray[0] * road)[..., None] - street.crossings).min(axis=-1) < 4.0
    on_road = (road <= kerb) | crossing
    # Between road and pavement a ray meets the face of the kerb.
    reach = np.where(on_road, road, np.maximum(pavement, kerb))
    return reach, np.where(on_road, ROAD, OTHER).astype(np.uint8)


def main() -> None:
    """Write a sequence."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rotations", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fibers", type=int, default=64)
    parser.add_argument("--firings", type=int, default=1800)
    given = parser.parse_args()
    simulate_street(
        given.folder,
        rotations=given.rotations,
        seed=given.seed,
        fibers=given.fibers,
        firings=given.firings,
    )


if __name__ == "__main__":
    main()
