"""What all algorithms have in common: geodl is started, followed, and its errors told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)
from qgis.PyQt.QtGui import QIcon

from .inputs import export_area, export_features, raster_source
from .installation import version_of
from .models import known_models
from .reporting import Teller
from .runner import CancelledError, Ended, GeodlError, run
from .settings import child_environment, current_geodl, device

__all__ = ["AUTOMATIC", "GeodlAlgorithm", "SceneAlgorithm", "icon"]

# A window edits the names in a table; the class is only imported there.
BAND_NAMES_WIDGET = {"widget_wrapper": {"class": "georaster_dl_qgis.band_names.BandNames"}}

AUTOMATIC = "automatic"
"""The choice that leaves the model to geodl."""


def icon() -> QIcon:
    """The plugin's icon."""
    return QIcon(str(Path(__file__).with_name("icon.svg")))


class GeodlAlgorithm(QgsProcessingAlgorithm):
    """An algorithm that is a command of geodl.

    A subclass states ``NAME``, ``TITLE``, ``HELP`` and ``TAGS``, adds its parameters in
    ``initAlgorithm``, and runs in ``execute``.
    """

    NAME = TITLE = HELP = ""
    TAGS = ("deep learning", "geodl", "georaster_dl")

    def createInstance(self) -> GeodlAlgorithm:
        return type(self)()

    def name(self) -> str:
        return self.NAME

    def displayName(self) -> str:
        return self.TITLE

    def shortHelpString(self) -> str:
        return self.HELP

    def tags(self) -> list[str]:
        return list(self.TAGS)

    def icon(self) -> QIcon:
        return icon()

    def canExecute(self) -> tuple[bool, str]:
        """What the window asks before it opens; qgis_process of QGIS 3.22 does not."""
        try:
            current_geodl()
        except GeodlError as error:
            return False, str(error)
        return True, ""

    def processAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        self._values = _Values(self, parameters, context)
        try:
            return self.execute(self._values, context, feedback)
        except CancelledError:
            return {}  # QGIS knows that it was cancelled, and by whom
        except GeodlError as error:
            raise QgsProcessingException(str(error)) from error

    def execute(
        self, given: _Values, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Do it and give the outputs by their names.

        Raises
        ------
        GeodlError
            With what the user must know.
        """
        raise QgsProcessingException(f"{self.NAME} does nothing.")

    def geodl(self, arguments: list[str], feedback: QgsProcessingFeedback, **how: Any) -> Ended:
        """Run a command of geodl to its end, and tell how it goes."""
        found, environment = current_geodl(), child_environment()
        version = version_of(found, environment, feedback.isCanceled)
        feedback.pushInfo(f"geodl {version} at {found.path} ({found.origin})")
        feedback.pushCommandInfo(" ".join(["geodl", *(_quoted(part) for part in arguments)]))
        teller = Teller(feedback)
        return run(
            [found.path, *arguments, "--parent-pipe"],
            environment=environment,
            event=teller.event,
            line=feedback.pushConsoleInfo,
            cancelled=feedback.isCanceled,
            **how,
        )

    def add(
        self, definition: QgsProcessingParameterDefinition, help: str, *, advanced: bool = False
    ) -> None:
        """Add a parameter with its help."""
        definition.setHelp(help)
        if advanced:
            hidden = QgsProcessingParameterDefinition.Flag.FlagAdvanced
            definition.setFlags(definition.flags() | hidden)
        self.addParameter(definition)

    def add_model(self, *, automatic: str = "") -> None:
        """Add the choice of a model; ``automatic`` says what happens where none is chosen."""
        rows = known_models()
        names = [str(row["name"]) for row in rows]
        told = "; ".join(f"{row['name']}: {row['predicts']}, {row['resolution']}" for row in rows)
        choices = [AUTOMATIC, *names] if automatic or not names else names
        definition = QgsProcessingParameterEnum(
            "MODEL", "Model", options=choices, defaultValue=choices[0], usesStaticStrings=True
        )
        self.add(
            definition,
            f"{automatic} {told or 'Models are listed once geodl is installed.'}".strip(),
        )
        file = QgsProcessingParameterFile(
            "MODEL_FILE", "Own model (instead of the above)", extension="safetensors", optional=True
        )
        self.add(file, "A .safetensors file, such as 'Train a model' makes.")

    def model(self, given: _Values) -> list[str]:
        """Arguments that name the chosen model."""
        file, name = given.text("MODEL_FILE"), given.choice("MODEL")
        if file:
            return ["-m", file]
        return [] if name in ("", AUTOMATIC) else ["-m", name]


class SceneAlgorithm(GeodlAlgorithm):
    """An algorithm that runs a model over one scene."""

    def add_scene(self) -> None:
        """Add the scene; it may be a layer, or something that is no raster to QGIS."""
        scene = QgsProcessingParameterRasterLayer("INPUT", "Scene", optional=True)
        self.add(scene, "Raster with the bands that the model needs.")
        product = QgsProcessingParameterString(
            "PRODUCT", "Or a product: .SAFE folder or zip, STAC item, address", optional=True
        )
        self.add(
            product,
            "Instead of a layer: path or address of a whole Sentinel-2 product or STAC item.",
        )

    def add_area(self) -> None:
        """Add what limits the output."""
        kinds = [QgsProcessing.SourceType.TypeVectorPolygon]
        area = QgsProcessingParameterFeatureSource(
            "AOI", "Area of interest: polygons", kinds, optional=True
        )
        self.add(
            area, "Polygons in any CRS, all or the selected ones; elsewhere the output is nodata."
        )
        extent = QgsProcessingParameterExtent("EXTENT", "Or an extent", optional=True)
        self.add(extent, "Of the map canvas, of a layer, or drawn; elsewhere the output is nodata.")

    def add_reading(self) -> None:
        """Add what the user knows better than the file, and how the model runs."""
        number = QgsProcessingParameterNumber
        double = QgsProcessingParameterNumber.Type.Double
        bands = QgsProcessingParameterString(
            "BANDS", "Names of the bands, in file order (B02,B03,...)", optional=True
        )
        bands.setMetadata(BAND_NAMES_WIDGET)
        for definition, told in (
            (
                bands,
                "For files that do not name their bands: one name for each band, as the model calls them "
                "(see the model's help), separated by commas.",
            ),
            (
                number("SCALE", "Scale of the numbers", double, optional=True),
                "Physical value = number x scale + offset; Sentinel-2 reflectance: 0.0001.",
            ),
            (
                number("OFFSET", "Offset of the numbers", double, optional=True),
                "Sentinel-2 of processing baseline 04.00 and later: -0.1.",
            ),
            (
                number("NODATA", "Nodata of the scene", double, optional=True),
                "Number that stands for no measurement, where the file does not say.",
            ),
            (
                QgsProcessingParameterBoolean(
                    "RESAMPLE", "Resample the bands to the model's wavelengths", defaultValue=False
                ),
                "For hyperspectral scenes of another sensor than the model's.",
            ),
        ):
            self.add(definition, told, advanced=True)

    def scene(self, given: _Values) -> str:
        """What geodl opens.

        Raises
        ------
        GeodlError
            When there is none, or two.
        """
        layer, product = given.raster("INPUT"), given.text("PRODUCT")
        if (layer is None) == (not product):
            raise GeodlError(
                "Give one scene: a raster layer or file as 'Scene', or the path or address of a product."
            )
        return product or raster_source(layer)

    def reading(self, given: _Values, context: QgsProcessingContext) -> list[str]:
        """Arguments of ``add_reading`` and ``add_area``, and of the settings."""
        arguments = ["--progress", "json", "--overwrite", "--device", device()]
        for name in ("BANDS", "SCALE", "OFFSET", "NODATA"):
            value = given.text(name)
            if value:
                arguments += [f"--{name.lower()}={value}"]
        if given.flag("RESAMPLE"):
            arguments.append("--resample")
        area = self._area(given, context)
        return [*arguments, "--aoi", area] if area else arguments

    def _area(self, given: _Values, context: QgsProcessingContext) -> str:
        polygons, has_extent = given.source("AOI"), given.text("EXTENT")
        if polygons is not None and has_extent:
            raise GeodlError("Give polygons or an extent as the area of interest, not both.")
        if polygons is not None:
            return export_features(polygons, "area of interest", context)
        return export_area(*given.extent("EXTENT"), context) if has_extent else ""


class _Values:
    """The values of an algorithm's parameters."""

    def __init__(
        self,
        algorithm: QgsProcessingAlgorithm,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
    ) -> None:
        self._ask, self._parameters, self._context = algorithm, parameters, context

    def _of(self, kind: str, name: str) -> Any:
        return getattr(self._ask, f"parameterAs{kind}")(self._parameters, name, self._context)

    def text(self, name: str) -> str:
        """Text of any parameter, empty where nothing was given."""
        return str(self._of("String", name) or "").strip()

    def choice(self, name: str) -> str:
        """Value of an enumeration of texts."""
        return str(self._of("EnumString", name))

    def flag(self, name: str) -> bool:
        """Whether it is ticked."""
        return bool(self._of("Boolean", name))

    def raster(self, name: str) -> Any:
        """Raster layer, None where nothing was given."""
        layer = self._of("RasterLayer", name)
        if layer is None and self.text(name):
            raise GeodlError(f"{self.text(name)} cannot be opened as a raster; check the path.")
        return layer

    def rasters(self, name: str) -> list[Any]:
        """Raster layers of a list."""
        return list(self._of("LayerList", name))

    def layer(self, name: str) -> Any:
        """Any layer, None where nothing was given."""
        return self._of("Layer", name)

    def source(self, name: str) -> Any:
        """Features, selected ones where the user asked for these; None where nothing was given."""
        return None if self._parameters.get(name) in (None, "") else self._of("Source", name)

    def extent(self, name: str) -> tuple[Any, Any]:
        """Outline of an extent and its CRS."""
        from qgis.core import QgsGeometry

        return QgsGeometry.fromRect(self._of("Extent", name)), self._of("ExtentCrs", name)

    def output(self, name: str) -> str:
        """Path of a raster or vector to make, empty where it is not wanted."""
        return str(self._of("OutputLayer", name) or "") if self._parameters.get(name) else ""

    def file_output(self, name: str) -> str:
        """Path of a file to make, empty where it is not wanted."""
        return str(self._of("FileOutput", name) or "") if self._parameters.get(name) else ""


def _quoted(part: str) -> str:
    return f'"{part}"' if " " in part or not part else part
