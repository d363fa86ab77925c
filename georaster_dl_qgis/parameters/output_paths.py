"""Paths for results that outlive QGIS: trained models, points to label, and folders of maps.

QGIS deletes its temporary files when it closes; hours of training or labelling must not go with them.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

from qgis.core import QgsProcessingUtils, QgsProject
from qgis.PyQt.QtCore import QStandardPaths

from georaster_dl_qgis.program.settings import results_folder

__all__ = [
    "MODEL_SUFFIX",
    "new_archive",
    "new_labels",
    "new_maps",
    "new_model",
    "permanent_archive",
    "permanent_labels",
    "permanent_maps",
    "permanent_model",
]

MODEL_SUFFIX = ".safetensors"
_MODELS, _MAPS, _LABELS = "geodl_models", "geodl_maps", "geodl_labels"
_ARCHIVES = "geodl_archives"


def new_model(suffix: str = MODEL_SUFFIX) -> Path:
    """File for the next trained model, in ``geodl_models`` of the folder for results."""
    return _free(_home() / _MODELS / f"model{suffix}")


def new_labels(stem: str) -> Path:
    """File for the next points or areas to label, in ``geodl_labels`` of the folder for results."""
    return _free(_home() / _LABELS / f"{stem}.gpkg")


def new_maps() -> Path:
    """Folder for the next maps, in the folder for results."""
    return _free(_home() / _MAPS)


def new_archive(stem: str) -> Path:
    """File for the next archive of a map, in ``geodl_archives`` of the folder for results."""
    return _free(_home() / _ARCHIVES / f"{stem}.zip")


def permanent_model(path: Path) -> Path:
    """The given file for a model, or another one where it would be lost or replace a model.

    A temporary file becomes ``new_model()``; in a folder ``geodl_models``, whose names are numbered,
    nothing is replaced.
    """
    if _is_temporary(path):
        return new_model(path.suffix or MODEL_SUFFIX)
    return _free(path) if path.parent.name == _MODELS else path


def permanent_labels(path: Path) -> Path:
    """The given file for points or areas to label, or another file, as of ``permanent_model``."""
    if _is_temporary(path):
        return new_labels(path.stem)
    return _free(path) if path.parent.name == _LABELS else path


def permanent_archive(path: Path) -> Path:
    """The given file for an archive, or another file, as of ``permanent_model``."""
    if _is_temporary(path):
        return new_archive(path.stem)
    return _free(path) if path.parent.name == _ARCHIVES else path


def permanent_maps(folder: Path) -> Path:
    """The given folder for maps, ``new_maps()`` instead of a temporary one."""
    return new_maps() if _is_temporary(folder) else folder


def _home() -> Path:
    """The folder of the settings, else the project's, else the documents."""
    documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
    return Path(results_folder() or QgsProject.instance().homePath() or documents or Path.home())


def _is_temporary(path: Path) -> bool:
    return Path(QgsProcessingUtils.tempFolder()) in path.parents


def _free(path: Path) -> Path:
    """The path, or the first of NAME_2, NAME_3, ... that neither a result nor a training's logs have."""
    for number in count(1):
        stem = path.stem if number == 1 else f"{path.stem}_{number}"
        found = path.with_name(stem + path.suffix)
        if not found.exists() and not found.with_name(f"{stem}_run").exists():
            return found
    raise AssertionError  # count() has no end
