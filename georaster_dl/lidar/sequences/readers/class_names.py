"""Names of the classes of published layouts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["ASPRS", "HELIXNET", "RELLIS", "SEMANTIC_KITTI", "names_of"]

HELIXNET = {
    1: "road",
    2: "other surface",
    3: "building",
    4: "vegetation",
    5: "traffic sign",
    6: "static vehicle",
    7: "moving vehicle",
    8: "pedestrian",
    9: "artefact",
}
"""Loiseau et al. (2022)."""

SEMANTIC_KITTI = {
    1: "outlier",
    10: "car",
    11: "bicycle",
    13: "bus",
    15: "motorcycle",
    16: "on rails",
    18: "truck",
    20: "other vehicle",
    30: "person",
    31: "bicyclist",
    32: "motorcyclist",
    40: "road",
    44: "parking",
    48: "sidewalk",
    49: "other ground",
    50: "building",
    51: "fence",
    52: "other structure",
    60: "lane marking",
    70: "vegetation",
    71: "trunk",
    72: "terrain",
    80: "pole",
    81: "traffic sign",
    99: "other object",
    252: "moving car",
    253: "moving bicyclist",
    254: "moving person",
    255: "moving motorcyclist",
    256: "moving on rails",
    257: "moving bus",
    258: "moving truck",
    259: "moving other vehicle",
}
"""Behley et al. (2019)."""

RELLIS = {
    1: "dirt",
    3: "grass",
    4: "tree",
    5: "pole",
    6: "water",
    7: "sky",
    8: "vehicle",
    9: "object",
    10: "asphalt",
    12: "building",
    15: "log",
    17: "person",
    18: "fence",
    19: "bush",
    23: "concrete",
    27: "barrier",
    31: "puddle",
    33: "mud",
    34: "rubble",
}
"""Jiang et al. (2021), RELLIS-3D."""

ASPRS = {
    2: "ground",
    3: "low vegetation",
    4: "medium vegetation",
    5: "high vegetation",
    6: "building",
    7: "low noise",
    9: "water",
    10: "rail",
    11: "road surface",
    13: "wire guard",
    14: "wire conductor",
    15: "transmission tower",
    16: "wire connector",
    17: "bridge deck",
    18: "high noise",
}
"""LAS 1.4."""


def names_of(values: Iterable[int], known: Mapping[int, str]) -> dict[int, str]:
    """Name classes by their labels, in order: by their number where it is not known. 0 is no class."""
    return {value: known.get(value, f"class {value}") for value in sorted(set(values) - {0})}
