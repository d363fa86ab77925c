"""Where more labels would help a model most."""

from __future__ import annotations

from typing import Any

from georaster_dl_qgis.algorithms.labels.labelled_scenes import (
    LabelledScenesAlgorithm,
    add_labels,
    label_sources,
)
from georaster_dl_qgis.algorithms.map_outputs import RASTER_KINDS
from georaster_dl_qgis.algorithms.scene_reading import (
    add_area,
    add_reading,
    add_resampling,
    area,
    check_area,
    reading,
    resampling,
)
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.definitions import choice, number
from georaster_dl_qgis.parameters.inputs import raster_sources
from georaster_dl_qgis.program.settings import run_options
from georaster_dl_qgis.results.layer_group import load_layers

__all__ = ["Propose"]

_BY = ["margin", "entropy", "mutual-information"]
_PASSES = next(kind for kind in RASTER_KINDS if kind.name == "uncertainty").choices[1:]


class Propose(LabelledScenesAlgorithm):
    """Runs ``geodl propose``."""

    TASKS = ("segmentation",)
    NAME = "propose"
    TITLE = "Propose areas to label"
    GROUP = "Training"
    TAGS = (*LabelledScenesAlgorithm.TAGS, "active learning", "labels", "sampling")
    NOT_OPTIONAL = ("MODEL",)
    HELP = (
        "Finds the areas of scenes whose labels would help a model most: where it is uncertain, far from each other "
        "and unlike each other. Each opens with a rank and a suggested class, and a list of the model's classes in "
        "its form. Label them, then train again with 'Start from' the model.\n\n"
        "They are no random sample: for the accuracy of a map use 'Sample points to label'."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add_scenes()
        self.add_model()
        self.add(number("N", "Number of areas", 50, least=1), "Areas of all scenes together.")
        self.add(choice("BY", "Uncertainty by", _BY, _BY[0]), "The margin between the two likeliest classes, the entropy "
                 "of all, or the disagreement of several passes.")  # fmt: skip
        self.add(choice("UNCERTAINTY", "Passes", list(_PASSES)), "Several passes, as of 'Map with uncertainty'; empty: "
                 "one pass.", advanced=True)  # fmt: skip
        self.add(number("CELL", "Side of an area, in pixels", 32, least=1), "Areas are squares.", advanced=True)  # fmt: skip
        help_text = "Labels that exist: areas that hold some are left out."
        add_labels(self, help_text, title="Labels that exist", optional=True)
        add_area(self)
        add_reading(self)
        add_resampling(self)
        self.add_labels_output("Areas", "areas")

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {"SCENES": selected.scenes()}

    def check(self, values) -> None:
        super().check(values)
        self.check_model(values)
        check_area(values)

    def execute(self, values, context, feedback) -> dict[str, Any]:
        output = self.labels_output(values, context)
        scenes = values.rasters("SCENES")
        arguments = ["propose", *raster_sources(scenes), *self.model(values), "-o", output]
        arguments += ["-n", values.text("N"), *values.options("BY", "UNCERTAINTY", "CELL")]
        for path in label_sources(values, context, feedback):
            arguments += ["--labels", path, *values.options("CLASS_FIELD")]
        arguments += [*reading(values), *resampling(values), *area(values, context)]
        self.geodl([*arguments, *run_options()], feedback)
        self.remember_model(values)
        load_layers(scenes[0].name(), {output: "Areas to label"}, context)
        return {"OUTPUT": output}
