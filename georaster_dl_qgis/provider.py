"""Provider of the algorithms, with the models that geodl had last."""

from __future__ import annotations

from qgis.core import QgsApplication, QgsProcessingProvider, QgsTask
from qgis.PyQt.QtGui import QIcon

from georaster_dl_qgis.algorithms.batch import Batch
from georaster_dl_qgis.algorithms.change import Change
from georaster_dl_qgis.algorithms.check_install import Setup
from georaster_dl_qgis.algorithms.features import Denoise, Features
from georaster_dl_qgis.algorithms.geodl_algorithm import icon
from georaster_dl_qgis.algorithms.labels.calibrate import Calibrate
from georaster_dl_qgis.algorithms.labels.check_labels import CheckLabels
from georaster_dl_qgis.algorithms.labels.evaluate import Evaluate
from georaster_dl_qgis.algorithms.labels.evaluate_objects import EvaluateObjects
from georaster_dl_qgis.algorithms.labels.propose import Propose
from georaster_dl_qgis.algorithms.labels.sample_points import SamplePoints
from georaster_dl_qgis.algorithms.labels.train import Train
from georaster_dl_qgis.algorithms.lidar.classify import LidarClassify
from georaster_dl_qgis.algorithms.lidar.raster import LidarRaster
from georaster_dl_qgis.algorithms.maps.bundle import Bundle
from georaster_dl_qgis.algorithms.maps.clean import Clean
from georaster_dl_qgis.algorithms.maps.mosaic import Mosaic
from georaster_dl_qgis.algorithms.maps.polygons import Polygons
from georaster_dl_qgis.algorithms.maps.zonal import Zonal
from georaster_dl_qgis.algorithms.pixels.classify import Classify, ClassifyPolygons
from georaster_dl_qgis.algorithms.pixels.cluster import Cluster
from georaster_dl_qgis.algorithms.segment import Segment, Uncertainty
from georaster_dl_qgis.algorithms.timeseries.classify_parcels import ClassifyParcels
from georaster_dl_qgis.algorithms.timeseries.classify_pixels import ClassifyPixels
from georaster_dl_qgis.algorithms.timeseries.train_series import TrainSeries
from georaster_dl_qgis.algorithms.unmix import Unmix
from georaster_dl_qgis.program.installation import Geodl
from georaster_dl_qgis.program.models import fetch_models, models_are_current, store_models
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.program.settings import GROUP, add_settings, current_geodl, remove_settings

__all__ = ["Provider"]

_ALGORITHMS = (
    Segment,
    Uncertainty,
    Features,
    Batch,
    Train,
    CheckLabels,
    Evaluate,
    Setup,
    ClassifyPixels,
    ClassifyParcels,
    TrainSeries,
    Change,
    Unmix,
    Classify,
    ClassifyPolygons,
    Cluster,
    Denoise,
    Mosaic,
    Clean,
    Polygons,
    Propose,
    Calibrate,
    SamplePoints,
    EvaluateObjects,
    Zonal,
    Bundle,
    LidarRaster,
    LidarClassify,
)


class Provider(QgsProcessingProvider):
    """All algorithms of this plugin.

    Parameters
    ----------
    windowed : whether there is a window, which must not wait for other programs.
    """

    def __init__(self, *, windowed: bool) -> None:
        super().__init__()
        self._windowed = windowed
        self._task: QgsTask | None = None

    def id(self) -> str:
        return "georaster_dl"

    def name(self) -> str:
        return GROUP

    def icon(self) -> QIcon:
        return icon()

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        return ["tif"]

    def supportedOutputVectorLayerExtensions(self) -> list[str]:
        return ["gpkg"]

    def load(self) -> bool:
        add_settings(self.icon())
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        remove_settings()

    def loadAlgorithms(self) -> None:
        self._update_models()
        for algorithm in _ALGORITHMS:
            self.addAlgorithm(algorithm())

    def _update_models(self) -> None:
        """Have the list of models up to date: at once, or soon where a window would have to wait."""
        try:
            geodl = current_geodl()
            if models_are_current(geodl):
                return
            if not self._windowed:
                store_models(geodl, fetch_models(geodl))
            elif self._task is None:
                self._task = _ModelTask(geodl, self._models_fetched)
                QgsApplication.taskManager().addTask(self._task)
        except GeodlError:
            return  # the algorithms say so when they are opened

    def _models_fetched(self) -> None:
        self._task = None
        self.refreshAlgorithms()


class _ModelTask(QgsTask):
    """Asks geodl for its models in the background."""

    def __init__(self, geodl: Geodl, done) -> None:
        super().__init__("GeoRaster DL: asking geodl for its models", QgsTask.Flag.CanCancel)
        self._geodl, self._done = geodl, done
        self._rows = None

    def run(self) -> bool:
        try:
            self._rows = fetch_models(self._geodl, self.isCanceled)
        except GeodlError:
            return False
        return True

    def finished(self, well: bool) -> None:
        if well:  # in the thread of the window
            store_models(self._geodl, self._rows)
            self._done()
