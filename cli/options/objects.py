"""Options of the comparison of objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import LabelOptions

from .groups import option_group
from .shared import INPUT_FILE, OUTPUT_FILE, check_suffix

if TYPE_CHECKING:
    from georaster_dl.evaluation.objects.result import ObjectEvaluation

__all__ = ["ObjectChoice", "object_options"]


@dataclass(frozen=True)
class ObjectChoice:
    """Choice between pixels and objects, and settings of the latter.

    Attributes
    ----------
    wanted : whether objects are compared.
    aoi : polygons that limit the comparison.
    tolerance : of outlines, with its unit.
    matches : GeoPackage to make.
    """

    wanted: bool
    aoi: Path | None
    tolerance: str | None
    matches: Path | None

    def check(self, curves: Path | None) -> None:
        """Refuse options of objects where pixels are compared, and the reverse.

        Raises
        ------
        OptionError
            When an option would have no effect.
        """
        check_suffix("--matches", self.matches, "GeoPackage", (".gpkg",))
        given: Mapping[str, Any] = {
            "--aoi": self.aoi,
            "--tolerance": self.tolerance,
            "--matches": self.matches,
        }
        alone = [option for option, value in given.items() if value is not None]
        if alone and not self.wanted:
            raise OptionError(f"{alone[0]} is of the comparison of objects; add --objects.")
        if self.wanted and curves is not None:
            raise OptionError("--curves is of the report on pixels; leave out --objects, or it.")

    def evaluate(
        self, map_path: Path, reference: Path, labels: LabelOptions, block: int | None
    ) -> ObjectEvaluation:
        """Compare the objects of two files."""
        from georaster_dl.evaluation.objects.options import ObjectOptions, Tolerance
        from georaster_dl.evaluation.objects.run import evaluate_objects

        tolerance = None if self.tolerance is None else Tolerance.of(self.tolerance)
        options = ObjectOptions(labels, self.aoi, tolerance, block)
        return evaluate_objects(map_path, reference, options)

    def write(self, path: Path, evaluation: Any) -> None:
        """Write the layers of a comparison of objects."""
        from georaster_dl.evaluation.objects.layers import write_layers

        write_layers(path, evaluation)


def _choice(objects: bool, aoi: Path | None, tolerance: str | None, matches: Path | None) -> Any:
    return ObjectChoice(objects, aoi, tolerance, matches)


object_options = option_group(
    "objects",
    _choice,
    click.option(
        "--objects",
        is_flag=True,
        help="Compare objects one by one, not pixels: polygons, or areas of a class.",
    ),
    click.option(
        "--aoi",
        type=INPUT_FILE,
        metavar="FILE",
        help="Polygons (any CRS) of the ground whose objects are compared [default: what both files cover].",
    ),
    click.option(
        "--tolerance",
        metavar="LENGTH",
        help="Distance up to which outlines are right, as 2px or 1.5m [default: 2px; 1m where both are polygons].",
    ),
    click.option(
        "--matches",
        type=OUTPUT_FILE,
        metavar="GPKG",
        help="Also write matched, false and missed objects, a layer each.",
    ),
)
"""Options of objects; gives ``objects``."""
