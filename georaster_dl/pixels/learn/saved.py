"""A classifier in one file: scikit-learn's objects as skops keeps them, and a card beside them.

The file holds no pickle and no code. skops makes objects of known types only; what these hold is
checked before anything is predicted (``file_checks.py``), because a file may come from anybody.
"""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from georaster_dl import __version__
from georaster_dl.core.bands import Band
from georaster_dl.core.disk import explain_os_error
from georaster_dl.core.errors import ModelPackageError, OptionError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.core.process import available_memory
from georaster_dl.models.package.limits import ClassColor, FilePart, Limits, Lonlat, Share
from georaster_dl.pixels.learn.classifier import Classifier
from georaster_dl.pixels.learn.file_checks import check_pipeline

__all__ = ["SUFFIX", "load_classifier", "save_classifier"]

SUFFIX = ".skops"
_CARD = "georaster_dl.json"
_MOST_CARD_BYTES = 2**20
_TREE = "sklearn.tree._tree.Tree"  # trusted once its nodes have been checked
_MOST_NAMED = 3
# What the zip module raises for files that are none, damaged, encrypted or oddly packed.
_NO_ARCHIVE = (zipfile.BadZipFile, KeyError, EOFError, ValueError, RuntimeError, zlib.error)


@dataclass(frozen=True)
class _TestedClass(MapClass):
    """A class and its intersection over union in the classifier's test, None where it was not tested."""

    iou: float | None = None


_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Band = Annotated[Band, Limits(name=_Name, wavelength_nm=float | None, fwhm_nm=float | None)]
_Class = Annotated[_TestedClass, Limits(value=int, name=_Name, color=ClassColor, iou=Share | None)]


class _SavedCard(FilePart):
    """Card of a saved classifier, readable without scikit-learn."""

    format: Literal[1]
    method: Literal["svm", "rf"]
    bands: tuple[_Band, ...] = Field(min_length=1, max_length=10_000)
    classes: tuple[_Class, ...] = Field(min_length=2, max_length=65_535)
    physical: bool
    source: str = Field(max_length=1000)
    labels: dict[str, Annotated[str, Field(max_length=500)]] = Field(default={}, max_length=2)
    scikit_learn: str = Field(max_length=40)
    georaster_dl: str = Field(max_length=40)
    places: tuple[Lonlat, ...] = Field(default=(), max_length=256)


def save_classifier(path: Path, classifier: Classifier) -> None:
    """Write a classifier, which ``load_classifier`` and, without its card, skops itself read.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    import sklearn
    import skops.io

    card = _SavedCard(
        format=1,
        method=classifier.method,
        bands=classifier.bands,
        classes=tuple(
            _TestedClass(c.value, c.name, c.color, classifier.iou.get(c.name))
            for c in classifier.legend.classes
        ),
        physical=classifier.physical,
        source=classifier.source,
        labels=dict(classifier.labels),
        scikit_learn=sklearn.__version__,
        georaster_dl=__version__,
        places=classifier.places,
    )
    try:
        skops.io.dump(classifier.pipeline, path, compression=zipfile.ZIP_DEFLATED)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(_CARD, card.model_dump_json())
    except OSError as error:
        raise explain_os_error(error, path) from error


def load_classifier(path: Path, warn: Callable[[str], None] = lambda _message: None) -> Classifier:
    """Read a classifier and check all that it holds.

    Parameters
    ----------
    warn : called where another version of scikit-learn wrote the file.

    Raises
    ------
    ModelPackageError
        When the file is missing, is not one that ``save_classifier`` wrote, is damaged or hostile,
        or was made by another version of scikit-learn that this one cannot read.
    """
    import sklearn

    card = _read_card(path)
    try:
        legend = Legend(tuple(MapClass(c.value, c.name, c.color) for c in card.classes))
    except OptionError as error:
        raise ModelPackageError(f"{path}: {error}") from None
    pipeline = _read_pipeline(path, card)
    try:
        check_pipeline(pipeline, card.method, len(card.bands), len(card.classes))
    except ModelPackageError as error:
        raise ModelPackageError(
            f"{path} is damaged, hostile, or from a scikit-learn too far from this one ({error}; made with "
            f"{card.scikit_learn}); it was not run. Make it again."
        ) from None
    if card.scikit_learn != sklearn.__version__:
        warn(
            f"{path} was made with scikit-learn {card.scikit_learn}, this is {sklearn.__version__}: a few "
            f"pixels may get another class than there"
        )
    iou = {c.name: c.iou for c in card.classes if c.iou is not None}
    return Classifier(
        card.method,
        card.bands,
        legend,
        card.physical,
        card.source,
        pipeline,
        card.labels,
        iou,
        card.places,
    )


def _read_card(path: Path) -> _SavedCard:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry.file_size for entry in archive.infolist()}
            small = entries.get(_CARD, 0) <= _MOST_CARD_BYTES
            text = archive.read(_CARD) if small else b""
    except FileNotFoundError:
        raise ModelPackageError(
            f"The classifier {path} does not exist; check the path (now in {Path.cwd()})."
        ) from None
    except OSError as error:
        raise ModelPackageError(
            f"The classifier {path} cannot be read ({error.strerror}); check the path."
        ) from error
    except _NO_ARCHIVE:
        raise _foreign(path) from None
    size = sum(entries.values())
    if size > available_memory() // 2:
        raise ModelPackageError(
            f"{path} unpacks to {size / 2**20:.0f} MiB, more than half of the memory that is free; free "
            f"memory, or use a smaller classifier."
        )
    try:
        return _SavedCard.model_validate_json(text)
    except ValidationError:
        raise _foreign(path) from None


def _foreign(path: Path) -> ModelPackageError:
    return ModelPackageError(
        f"{path} is no classifier that `classify(save=...)` wrote, or it is damaged; give such a file."
    )


def _read_pipeline(path: Path, card: _SavedCard) -> Any:
    import sklearn
    import skops.io
    from sklearn.exceptions import InconsistentVersionWarning

    try:
        untrusted = set(skops.io.get_untrusted_types(file=path)) - {_TREE}
        if not untrusted:
            with warnings.catch_warnings():
                # What does not fit is found by the check of all that the objects hold.
                warnings.simplefilter("ignore", InconsistentVersionWarning)
                return skops.io.load(path, trusted=[_TREE])
    except Exception as error:  # skops and scikit-learn raise many kinds; all mean the same here
        version = card.scikit_learn
        if version != sklearn.__version__:
            raise ModelPackageError(
                f"{path} was made with scikit-learn {version} and cannot be read with {sklearn.__version__}; "
                f"make it again here, or install scikit-learn {version}."
            ) from error
        raise _foreign(path) from error
    named = ", ".join(sorted(untrusted)[:_MOST_NAMED])
    raise ModelPackageError(
        f"{path} holds objects that no classifier needs ({named}), so it may be hostile; it was not "
        f"loaded."
    )
