"""Chips of the world with the part that each place has in all trainings here, and what may be published of them."""

from __future__ import annotations

import csv
from pathlib import Path

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")

# Whole places, by the beginnings of their chips' names. Both parts have all six classes of land cover that
# are labelled in several places: trees, low vegetation, crops, built-up, bare, water.
TEST = (
    "kazakhstan", "tierra_del_fuego", "gulf_of_sirte", "jaca", "bigearthnet_20170924_43_47",
    "bigearthnet_20170927_66_56", "eurosat_annualcrop_1", "eurosat_annualcrop_2", "eurosat_forest_2",
)  # fmt: skip
VALIDATION = (
    "karoo", "new_south_wales", "goldfields", "zimbabwe", "baltic", "bigearthnet_20180510_19_86",
    "bigearthnet_20170914_32_39", "eurosat_forest_3",
)  # fmt: skip
# The data's licences are not stated, not verified, or allow no weights under another one.
NOT_PUBLISHED = ("presto_belgium", "brick_kiln", "barbellino")


def chips(data: Path) -> dict[Path, str]:
    """List the chips that have all bands and may be learnt from, with their parts."""
    folder = data / "s2_world"
    with (folder / "chips.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {
        folder / "chips" / row["file"]: _part(row["file"])
        for row in rows
        if set(BANDS) <= set(row["bands"].split()) and not row["file"].startswith(NOT_PUBLISHED)
    }


def _part(name: str) -> str:
    if name.startswith(TEST):
        return "test"
    return "validation" if name.startswith(VALIDATION) else "train"
