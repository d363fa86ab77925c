"""Files that outlive a run: models, and points or areas to label."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterVectorDestination,
    QgsRasterLayer,
)

from georaster_dl_qgis.parameters.inputs import raster_source
from georaster_dl_qgis.parameters.output_paths import (
    MODEL_SUFFIX,
    new_labels,
    new_model,
    permanent_labels,
    permanent_model,
)
from georaster_dl_qgis.parameters.values import ParameterValues
from georaster_dl_qgis.program.models import (
    AUTOMATIC,
    IMAGES,
    add_own_model,
    own_models,
    stored_models,
)
from georaster_dl_qgis.program.runner import GeodlError

__all__ = ["LastingFiles"]

_NO_MODELS = "Those that you train or use here are listed; those of geodl once it is installed."


class LastingFiles:
    """Parameters of an algorithm for models, and for points or areas to label."""

    MODELS = IMAGES
    """What the models read that may be chosen, or that it makes."""
    TASKS: tuple[str, ...] = ()
    """What the model may predict that a window chooses for a scene; none where it chooses no model."""
    MODEL_SUFFIX = MODEL_SUFFIX
    """Ending of these models' files."""
    MODEL_TITLES = ("Model", "Or a file of a model")
    """What a window calls the list of models, and the file of one."""

    def add_model(self, *, automatic: str = "", without: str = "") -> None:
        """Add the choice of a model.

        Parameters
        ----------
        automatic : what the choice of that name does, where there is one.
        without : what happens where none is chosen.
        """
        rows = stored_models(self.MODELS)
        help_text = "; ".join(
            f"{row['name']}: {row['predicts']}, {row['resolution']}" for row in rows
        )
        names = [*(str(row["name"]) for row in rows), *own_models(self.MODELS)]
        definition = QgsProcessingParameterEnum(
            "MODEL",
            self.MODEL_TITLES[0],
            options=[AUTOMATIC, *names] if automatic else names,
            defaultValue=AUTOMATIC if automatic else None,
            optional=not automatic,
            usesStaticStrings=True,
        )
        self.add(
            definition,
            f"{automatic}{without} {help_text or _NO_MODELS}".strip(),
        )
        file = QgsProcessingParameterFile(
            "MODEL_FILE",
            self.MODEL_TITLES[1],
            extension=self.MODEL_SUFFIX.removeprefix("."),
            optional=True,
        )
        self.add(
            file,
            f"A {self.MODEL_SUFFIX} file, such as a training here makes; it wins, and is in the list above next time.",
        )

    def model(self, values: ParameterValues) -> list[str]:
        """Arguments that name the chosen model."""
        file, name = values.text("MODEL_FILE"), values.choice("MODEL")
        if file:
            return ["-m", file]
        return [] if name in ("", AUTOMATIC) else ["-m", name]

    def source_of(self, layer: QgsRasterLayer) -> str:
        """Source of a scene for geodl, empty where it cannot read it."""
        try:
            return raster_source(layer)
        except GeodlError:  # the run says why
            return ""

    def check_model(self, values: ParameterValues) -> None:
        """Find that no model is chosen."""
        if not values.text("MODEL_FILE") and not values.choice("MODEL"):
            raise GeodlError("Choose a model in the list, or give the file of one.")

    def remember_model(self, values: ParameterValues) -> None:
        """Have a file that was used in the list of models from now on."""
        if values.text("MODEL_FILE"):
            add_own_model(values.text("MODEL_FILE"), self.MODELS)

    def add_model_output(
        self, name: str = "OUTPUT", title: str = "Model", *, wanted: bool = False
    ) -> None:
        """Add the file of the model that a training makes; ``wanted`` makes it only where it is asked for."""
        suffix = self.MODEL_SUFFIX
        model = QgsProcessingParameterFileDestination(
            name,
            title,
            fileFilter=f"Model packages (*{suffix})",
            defaultValue=None if wanted else str(new_model(suffix)),
            optional=wanted,
            createByDefault=not wanted,
        )
        self.add(
            model,
            "File to make, never a temporary one; the other algorithms list it as a model then.",
        )

    def model_output(self, values: ParameterValues, name: str = "OUTPUT") -> Path | None:
        """File of the model to make, in a folder that exists; None where none is wanted."""
        wanted = values.wanted_path(name)
        if wanted is None:
            return None
        output = permanent_model(wanted)
        with suppress(OSError):  # geodl says what is wrong with it
            output.parent.mkdir(parents=True, exist_ok=True)
        return output

    def add_labels_output(self, title: str, stem: str) -> None:
        """Add the file of points or areas that people will label."""
        output = QgsProcessingParameterVectorDestination(
            "OUTPUT", title, defaultValue=str(new_labels(stem))
        )
        self.add(output, "GeoPackage to label, never a temporary one: your labels go into it.")

    def labels_output(self, values: ParameterValues, context: QgsProcessingContext) -> str:
        """Path of points or areas to label, in a folder that exists; it is loaded in place of the path asked for."""
        asked = values.output("OUTPUT")
        output = permanent_labels(Path(asked))
        with suppress(OSError):  # geodl says what is wrong with it
            output.parent.mkdir(parents=True, exist_ok=True)
        planned = context.layersToLoadOnCompletion()
        if asked in planned:
            context.setLayersToLoadOnCompletion(
                {str(output) if path == asked else path: how for path, how in planned.items()}
            )
        return str(output)

    def list_model(self, path: Path, feedback: QgsProcessingFeedback) -> None:
        """Have a trained model in the list of models from now on."""
        add_own_model(str(path), self.MODELS)
        feedback.pushInfo(f"The model is {path}; the other algorithms list it from now on.")
