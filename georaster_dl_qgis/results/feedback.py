"""Events of geodl in the words and the progress bar of a Processing dialog."""

from __future__ import annotations

import re
from typing import Any

from qgis.core import QgsProcessingFeedback

__all__ = ["EventFeedback", "in_words"]

# QGIS keeps every text of progress as a line of its log.
_PERCENT_A_LINE = 5

# Options of geodl that its messages name, and the fields in which they are given here.
_FIELDS = {
    "--bands": "'Names of the bands'",
    "--mask": "'Quality band'",
    "--scale": "'Scale of the numbers'",
    "--offset": "'Offset of the numbers'",
    "--nodata": "'Nodata of the scene'",
    "--resample": "'Resample the bands'",
    "--class-field": "'Field with the class'",
    "--class": "'Class of all features'",
    "--fraction-fields": "'Fields with the fractions'",
    "--per-polygon": "'Fractions are of whole polygons'",
    "--erode": "'Pixels of labels to leave out at borders'",
    "--background": "'Class of ground without a label'",
    "--model": "'Model'",
    "--task": "'What is learnt'",
    "--init": "'Start from'",
    "--config": "'File with settings'",
    "--epochs": "'Most epochs'",
    "--minutes": "'Most minutes'",
    "--ensemble": "'Networks'",
    "--split": "'Tested on'",
    "--sensor": "'Several sensors'",
    "--date-pattern": "'Where the date stands in the names'",
    "--since": "'First date'",
    "--until": "'Last date'",
    "--parcels": "'Parcels'",
    "--minimum-dates": "'Clear dates below which a parcel is flagged'",
    "--labels": "'Labels of the scenes'",
    "--class-column": "'Field or column with the class'",
    "--target": "'Column with a quantity'",
    "--id-column": "'Column that tells samples apart'",
    "--date-column": "'Column of the dates'",
    "--architecture": "'Network'",
    "--sample-unit": "'A sample is'",
    "--leave-out": "'Leave out'",
    "--group": "'Keep together'",
    "--indices": "'Spectral indices'",
    "--per-class": "'Most pixels of a class'",
    "--name-field": "'Field with the names of the areas'",
    "--points": "'Labelled points of this map'",
    "--boundaries": "'Raster of boundaries'",
    "--split-touching": "'Separate touching objects'",
    "--instances": "'Learn to separate touching objects'",
    "--add": "'Further files'",
    "--tolerance": "'Outlines are right within'",
    "--matches": "'Missed, false and matched objects'",
    "--minimum-confidence": "'Least confidence of a change'",
    "--codes": "'Codes of classes whose names do not say them'",
    "--crs": "'CRS'",
}
# Scores of a network of time series and of the forest beside it.
_SCORES = {
    "accuracy": "overall accuracy",
    "macro_f1": "macro F1",
    "rmsep": "RMSEP",
    "r2": "R2",
}
_MOST_CHANGES = 5
_MOST_PAIRS = 10
_WARNING = "geodl: warning: "
_AREA = re.compile(r"--aoi \S+\.gpkg")
# A layer of QGIS as it was handed over: a temporary file of the layer's name.
_LAYER = re.compile(r"\S*[/\\][0-9a-f]{32}[/\\](\w+)\.gpkg")


def in_words(message: str) -> str:
    """A message of geodl with the fields and layers of QGIS instead of the options and files of a command."""
    message = _AREA.sub("The area of interest", message).replace("--aoi", "the area of interest")
    message = _LAYER.sub(r"'\1'", message)
    return re.sub(r"(?<![\w-])--[a-z-]+", lambda option: _FIELDS.get(option[0], option[0]), message)


class EventFeedback:
    """Feedback from geodl: events of ``--progress json``, and lines."""

    def __init__(self, feedback: QgsProcessingFeedback) -> None:
        self._feedback = feedback
        self._next = 0.0

    def line(self, text: str) -> None:
        """Show a line that is no event: warnings of commands without events."""
        if text.startswith(_WARNING):
            self._warning({"message": text[len(_WARNING) :]})
        else:
            self._feedback.pushConsoleInfo(text)

    def event(self, name: str, facts: dict[str, Any]) -> None:
        """Show an event; unknown kinds, which newer versions of geodl may have, are ignored."""
        tell = getattr(self, f"_{name}", None)
        if tell is not None:
            tell(facts)

    def _model(self, facts: dict[str, Any]) -> None:
        scores = ", ".join(f"{name} {value:.2f}" for name, value in facts["metrics"].items())
        self._feedback.pushInfo(
            f"No model chosen: using {facts['model']} {facts['version']} ({scores})"
        )

    def _start(self, facts: dict[str, Any]) -> None:
        if "tiles" in facts:
            rows, cols = facts["tile"]
            tiles = "1 tile" if facts["tiles"] == 1 else f"{facts['tiles']} tiles"
            self._feedback.pushInfo(
                f"{facts['model']} on {facts['device']}: {facts['cols']} x {facts['rows']} pixels in "
                f"{tiles} of {cols} x {rows}"
            )
        else:
            self._feedback.pushInfo(f"Working on {facts['device']}")
        if facts.get("split"):
            self._feedback.pushInfo(f"Trained and tested on {facts['split']}")
        if facts.get("absent"):
            self._feedback.pushInfo(f"Bands that the scene lacks: {', '.join(facts['absent'])}")
        if facts.get("matched_by_wavelength"):
            pairs = ", ".join(
                f"{band} for {wanted}" for wanted, band in facts["matched_by_wavelength"].items()
            )
            self._feedback.pushInfo(f"By wavelength it takes {pairs}")

    def _progress(self, facts: dict[str, Any]) -> None:
        percent = 100 * facts["done"] / max(facts["total"], 1)
        self._feedback.setProgress(percent)
        if percent < self._next:
            return
        self._next = percent + _PERCENT_A_LINE
        minutes, seconds = divmod(round(facts["seconds_left"]), 60)
        pace = f"{facts['mpx_per_s']:.2f} Mpx/s, " if "mpx_per_s" in facts else ""
        self._feedback.setProgressText(f"{pace}{minutes}:{seconds:02d} left")

    def _epoch(self, facts: dict[str, Any]) -> None:
        member = (
            f"Network {facts['member']} of {facts['members']}, epoch"
            if "members" in facts
            else "Epoch"
        )
        self._feedback.pushInfo(
            f"{member} {facts['epoch'] + 1:.0f} of {facts['epochs']}: loss {facts['loss']:.3f}, validation "
            f"{facts['val_loss']:.3f}, {facts['score']} {facts['val_score']:.3f}"
        )

    def _scene(self, facts: dict[str, Any]) -> None:
        line = f"{facts['ended']} of {facts['scenes']}: {facts['name']}"
        if facts["error"]:
            again = "; trying again" if facts["again"] else ""
            self._feedback.pushWarning(f"{line}: {facts['error']}{again}")
        else:
            self._feedback.pushInfo(line)

    def _warning(self, facts: dict[str, Any]) -> None:
        self._feedback.pushWarning(in_words(facts["message"]))

    def _done(self, facts: dict[str, Any]) -> None:
        self._feedback.setProgress(100)
        classes = facts.get("classes", {})
        total = sum(classes.values())
        if total:
            shares = [f"{name} {100 * n / total:.1f} %" for name, n in classes.items() if n]
            self._feedback.pushInfo(", ".join(shares))
        for name, value in facts.get("metrics", {}).items():
            self._feedback.pushInfo(f"{name}: {value:.4g}")
        self._tell_folds(facts.get("folds", []))
        self._tell_changes(facts.get("transitions", []))
        self._tell_methods(facts.get("comparison", {}))
        if "suspects" in facts:
            self._tell_suspects(facts["suspects"], facts["labels"], facts["pairs"])
        self._feedback.pushInfo(f"Done in {facts['seconds']:.0f} s")

    def _tell_folds(self, folds: list[dict[str, Any]]) -> None:
        """Show the scores of a network beside those of a random forest."""
        for fold in folds:
            for method, title in (("network", "network"), ("forest", "random forest")):
                scores = fold[method]
                known = {text: scores.get(name) for name, text in _SCORES.items()}
                shown = [
                    f"{text} {value:.3f}" for text, value in known.items() if value is not None
                ]
                self._feedback.pushInfo(f"{fold['test']}, {title}: {', '.join(shown)}")

    def _tell_changes(self, transitions: list[dict[str, Any]]) -> None:
        """Show the largest changes between two dates."""
        changes = [row for row in transitions if row["changed"]]
        for row in changes[:_MOST_CHANGES]:
            self._feedback.pushInfo(f"{row['from']} -> {row['to']}: {row['percent']:.2f} %")
        if transitions and not changes:
            self._feedback.pushInfo("Nothing has changed")

    def _tell_methods(self, comparison: dict[str, Any]) -> None:
        """Show how a network and the classifiers beside it did, and which of them the model is."""
        for row in comparison.get("methods", []):
            self._feedback.pushInfo(f"{row['method']}: mIoU {row['validation']:.3f}, validation")
        if comparison:
            self._feedback.pushInfo(f"Kept: {comparison['kept']}")

    def _tell_suspects(self, suspects: int, labels: int, pairs: list[dict[str, Any]]) -> None:
        """Show how many labels are suspect, and of which classes."""
        self._feedback.pushInfo(f"{suspects} of {labels} labels suspect")
        for row in pairs[:_MOST_PAIRS]:
            self._feedback.pushInfo(f"{row['label']} -> {row['suggested']}: {row['suspects']}")
