"""Many scenes through one model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputHtml,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
)

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.algorithms.map_outputs import (
    DEFAULT_MODEL,
    OUTPUT_KINDS,
    add_flag,
    chosen_kinds,
)
from georaster_dl_qgis.algorithms.scene_reading import (
    add_reading,
    add_resampling,
    reading,
    resampling,
)
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.inputs import raster_sources
from georaster_dl_qgis.parameters.output_paths import new_maps, permanent_maps
from georaster_dl_qgis.program.runner import EXTRA_FAILED, GeodlError
from georaster_dl_qgis.program.settings import device
from georaster_dl_qgis.results.layer_group import LayerGroup

__all__ = ["Batch"]

_SOME_FAILED = 3
_MOST_LOADED = 50


class Batch(GeodlAlgorithm):
    """Runs ``geodl batch``."""

    TASKS = ("segmentation", "regression", "fractions")
    NAME = "batch"
    TITLE = "Segment many scenes"
    GROUP = "Maps"
    TAGS = (*GeodlAlgorithm.TAGS, "batch", "land cover", "many", "folder")
    NOT_OPTIONAL = ("SCENES",)
    CANCELLED = (
        "Cancelled: maps that are finished are kept; run it again with the same folder to go on."
    )
    HELP = (
        "Maps all scenes of a folder, or all layers that are chosen, with one model. What is done already is "
        "skipped, so running it again does what is missing; one scene that fails does not stop the others; "
        "a run that was cancelled or killed goes on in the middle of a scene.\n\n"
        "The output folder gets a report with pictures (batch.html), a CSV and a JSON."
    )

    def initAlgorithm(self, configuration=None) -> None:
        scenes = QgsProcessingParameterMultipleLayers(
            "SCENES", "Scenes", QgsProcessing.SourceType.TypeRaster, optional=True
        )
        self.add(scenes, "Rasters to map.")
        folder = QgsProcessingParameterFile(
            "FOLDER",
            "Or a folder of scenes",
            behavior=QgsProcessingParameterFile.Behavior.Folder,
            optional=True,
        )
        self.add(folder, "Every raster and .SAFE product in it is a scene.")
        self.add_model(automatic=DEFAULT_MODEL)
        for kind in OUTPUT_KINDS:
            add_flag(self, kind, of="each map")
        load = QgsProcessingParameterBoolean("LOAD", "Load the maps", defaultValue=True)
        self.add(load, f"Add the maps to the project (at most {_MOST_LOADED}).")
        workers = QgsProcessingParameterNumber(
            "WORKERS", "Scenes at a time", defaultValue=1, minValue=1
        )
        self.add(
            workers, "Each takes memory of its own; 1 is right for most machines.", advanced=True
        )
        add_reading(self)
        add_resampling(self)
        output = QgsProcessingParameterFolderDestination(
            "OUTPUT", "Folder of the maps", defaultValue=str(new_maps())
        )
        self.add(output, "Maps and reports go there; use the same one again to go on.")
        self.addOutput(QgsProcessingOutputHtml("REPORT", "Report"))
        self.addOutput(QgsProcessingOutputNumber("MAPPED", "Scenes that are mapped"))
        self.addOutput(QgsProcessingOutputNumber("NOT_MAPPED", "Scenes that are not"))

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {"SCENES": selected.scenes()}

    def check(self, values) -> None:
        if bool(raster_sources(values.rasters("SCENES"))) == bool(values.text("FOLDER")):
            raise GeodlError("Give scenes, or a folder of scenes: one of the two.")
        folder = values.text("FOLDER")
        if folder and not Path(folder).is_dir():
            raise GeodlError(f"There is no folder {folder}; check the path of the scenes.")

    def execute(self, values, context, feedback) -> dict[str, Any]:
        sources = raster_sources(values.rasters("SCENES")) or [values.text("FOLDER")]
        output = permanent_maps(values.permanent_path("OUTPUT"))
        arguments = ["batch", *sources, *self.model(values), "-d", str(output)]
        arguments += [f"--{kind.name}" for kind in chosen_kinds(values, OUTPUT_KINDS)]
        arguments += [
            "--workers",
            values.text("WORKERS"),
            "--device",
            device(),
            "--progress",
            "json",
        ]
        arguments += reading(values) + resampling(values)
        self.geodl(arguments, feedback, accepted=(0, _SOME_FAILED, EXTRA_FAILED))
        self.remember_model(values)
        rows = self._rows(output)
        mapped = sum(row["status"] in ("done", "skipped") for row in rows)
        self._tell(rows, len(rows) - mapped, output, feedback)
        if values.flag("LOAD"):
            self._load(rows, output, context, feedback)
        counts = {"MAPPED": mapped, "NOT_MAPPED": len(rows) - mapped}
        return {"OUTPUT": str(output), "REPORT": str(output / "batch.html"), **counts}

    @staticmethod
    def _rows(folder: Path) -> list[dict[str, Any]]:
        """Read the report's row of each scene."""
        try:
            found = json.loads((folder / "batch.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise GeodlError(f"{folder / 'batch.json'} cannot be read ({error}).") from error
        return found["scenes"]

    @staticmethod
    def _tell(rows: list[dict[str, Any]], failed: int, folder: Path, feedback) -> None:
        counts: dict[str, int] = {}
        for row in rows:
            counts[row["status"]] = counts.get(row["status"], 0) + 1
        feedback.pushInfo(", ".join(f"{n} {status}" for status, n in counts.items()))
        if failed:
            feedback.reportError(
                f"Some scenes are not mapped; {folder / 'batch.html'} says which and why. Run it again with "
                f"the same folder to try these once more."
            )

    @staticmethod
    def _load(rows: list[dict[str, Any]], folder: Path, context, feedback) -> None:
        made = [row for row in rows if row["output"] and (folder / row["output"]).is_file()]
        if len(made) > _MOST_LOADED:
            feedback.pushWarning(
                f"{len(made)} maps are too many to load; add those that you need from {folder}, or join "
                f"them with 'geodl mosaic'."
            )
            return
        group = LayerGroup(f"geodl: {folder.name}")
        for row in made:
            group.add(str(folder / row["output"]), f"Map: {row['name']}", context)
