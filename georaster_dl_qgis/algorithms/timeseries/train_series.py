"""A model of time series from the user's own samples."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)

from georaster_dl_qgis.algorithms.timeseries.stack_algorithm import STACK_HELP, StackAlgorithm
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.definitions import field_name, text
from georaster_dl_qgis.parameters.inputs import check_one_layer, layer_source
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.program.settings import run_options

__all__ = ["TrainSeries"]

_NETWORKS = ["tempcnn", "ltae", "pse-ltae", "pse-tae", "utae", "gru", "lstm", "rnn"]
_AS_READ, *_UNITS = ("as the network reads", "pixel", "parcel")


class TrainSeries(StackAlgorithm):
    """Runs ``geodl timeseries train``."""

    NAME = "timeseries_train"
    TITLE = "Train on a time series"
    TAGS = (*StackAlgorithm.TAGS, "training", "labels", "random forest")
    NOT_OPTIONAL = ()
    CANCELLED = "Cancelled: no model was made."
    HELP = (
        "Trains a network on series of dated values: of pixels or parcels of a stack of scenes that a layer labels, "
        "or of the rows of a table. A random forest learns from the same samples, and both are tested on others; the "
        "log tells how good each is. With a few hundred samples of a few dates the forest is often the better one.\n\n"
        f"{STACK_HELP}\n\n"
        "Without a choice a fifth of the samples tests, by chance; neighbours share weather and farmer, so the "
        "accuracy elsewhere is lower. 'Leave out' a region or a year to know it, and 'Keep together' the pixels of a "
        "parcel.\n\n"
        "Networks of pixels are tempcnn, ltae, gru, lstm and rnn; pse-ltae and pse-tae read parcels, utae patches. Training takes "
        "minutes; nothing is left of one that was cancelled."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add_stack()
        self._add_samples()
        self._add_training()
        self.add_stack_reading()
        self.add_model_output()

    def _add_samples(self) -> None:
        sources = QgsProcessing.SourceType
        kinds = [sources.TypeVectorAnyGeometry, sources.TypeRaster]
        labels = QgsProcessingParameterMapLayer(
            "LABELS", "Labels of the scenes", optional=True, types=kinds
        )
        self.add(labels, "Points or polygons with a class, or a raster of classes.")
        table = QgsProcessingParameterFile("TABLE", "Or a table of series", optional=True)
        self.add(
            table,
            "Instead of scenes: CSV, Excel, Parquet or .npz with columns such as NDVI_2017-03-01, or with a row for "
            "each date.",
        )
        field = field_name("CLASS_FIELD", "Field or column with the class", of="LABELS")
        self.add(field, "Attribute of the labels, or column of the table; of labels it is found by itself where there "
                 "is one that can be meant.")  # fmt: skip
        target = QgsProcessingParameterString(
            "TARGET", "Column with a quantity, instead of classes", optional=True
        )
        self.add(target, "Of a table: what the model predicts is then a value.", advanced=True)
        for name, title, help_text in (
            ("ID_COLUMN", "Column that tells samples apart", "Of a table with a row for each date."),
            ("DATE_COLUMN", "Column of the dates", "Of a table with a row for each date; empty: date."),
        ):  # fmt: skip
            self.add(
                QgsProcessingParameterString(name, title, optional=True), help_text, advanced=True
            )

    def _add_training(self) -> None:
        network = QgsProcessingParameterEnum(
            "ARCHITECTURE",
            "Network",
            options=_NETWORKS,
            defaultValue=_NETWORKS[0],
            usesStaticStrings=True,
        )
        self.add(
            network, "pse-ltae and pse-tae are of parcels, utae of patches, the others of pixels."
        )
        unit = QgsProcessingParameterEnum(
            "UNIT",
            "A sample is",
            options=[_AS_READ, *_UNITS],
            defaultValue=_AS_READ,
            usesStaticStrings=True,
        )
        self.add(unit, "A labelled pixel, or a whole polygon; a network of pixels learns its mean series then.")  # fmt: skip
        leave_out = field_name("LEAVE_OUT", "Leave out (COLUMN, or COLUMN=VALUE)", of="LABELS")
        self.add(leave_out, "Tests on each value of a field in turn (region), or on one of them (region=north, "
                 "year=2018), which teaches nothing then.")  # fmt: skip
        self.add(field_name("GROUP", "Keep together", of="LABELS"), "Field whose samples all teach or all test; parcel: "
                 "the polygon that a pixel is of.")  # fmt: skip
        indices = text("INDICES", "Spectral indices (NDVI,EVI,...)")
        self.add(indices, "Further bands, which the model makes itself later.")
        self.add(text("UNTIL", "Last date (2024-06-15 or 06-15)"), "06-15 is that day of each sample's own season; the "
                 "model is then one for that day.")  # fmt: skip
        for name, title, help_text in (
            ("EPOCHS", "Epochs", "Empty: as many as make 3,000 steps, but 10 to 100."),
            ("PER_CLASS", "Most pixels of a class", "That are drawn from the labels; empty: 1000."),
        ):  # fmt: skip
            number = QgsProcessingParameterNumber(name, title, optional=True, minValue=1)
            self.add(number, help_text, advanced=True)

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {**super().opens_with(selected), "LABELS": next(iter(selected.labels()), None)}

    def check(self, values) -> None:
        labels = values.layer("LABELS")
        if values.text("TABLE"):
            if any(values.text(name) for name in ("SCENES", "FOLDER", "STACK", "SENSORS")):
                raise GeodlError("Give scenes with labels, or a table of series: one of the two.")
            if bool(values.text("CLASS_FIELD")) == bool(values.text("TARGET")):
                raise GeodlError(
                    "Say which column of the table holds the class, or which the quantity."
                )
            return
        super().check(values)
        if values.text("TARGET"):
            raise GeodlError("A quantity is learnt from a table; labels of scenes are classes.")
        if labels is None:
            raise GeodlError(
                "Give labels of the scenes: points or polygons with a class, or a raster."
            )
        check_one_layer(labels)

    def execute(self, values, context, feedback) -> dict[str, Any]:
        output = self.model_output(values)
        arguments = ["timeseries", "train", *self._samples(values, context, feedback)]
        arguments += ["-o", str(output), "--architecture", values.choice("ARCHITECTURE")]
        arguments += values.options("LEAVE_OUT", "GROUP", "INDICES", "UNTIL", "EPOCHS", "PER_CLASS")
        if values.choice("UNIT") in _UNITS:
            arguments += ["--sample-unit", values.choice("UNIT")]
        self.geodl([*arguments, *self.stack_reading(values), *run_options()], feedback)
        self.list_model(output, feedback)
        return {"OUTPUT": str(output)}

    def _samples(self, values, context, feedback) -> list[str]:
        table, field = values.text("TABLE"), values.text("CLASS_FIELD")
        if table:
            named = [f"--class-column={field}"] if field else []
            return [table, *named, *values.options("TARGET", "ID_COLUMN", "DATE_COLUMN")]
        labels = ["--labels", layer_source(values.layer("LABELS"), context, feedback)]
        return [*self.stack(values)[0], *labels, *values.options("CLASS_FIELD")]
