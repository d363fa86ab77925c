"""Comparison of a network with the classifiers beside it, on the same validation pixels."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.tiling.split_blocks import PARTS, TEST
from georaster_dl.training.loop.run_folder import RunFolder

__all__ = ["NETWORK", "Compared", "Comparison"]

NETWORK = "network"
"""Name of the network among the methods."""


@dataclass(frozen=True)
class Compared:
    """One method of a comparison.

    Attributes
    ----------
    validation, test : mean IoU on the same pixels for all methods; the test ground is looked at for the network and the
        best of the others alone, and None for the rest.
    seconds : that it took to fit.
    tied : whether it differs from the packaged method by no more than other validation windows might make it.
    """

    method: str
    validation: float
    test: float | None
    seconds: float
    tied: bool = False


@dataclass(frozen=True)
class Comparison:
    """Methods compared on validation pixels, and the name of the packaged method.

    Attributes
    ----------
    methods : the network first, where one was trained.
    pixels : of the validation ground that they were judged on.
    kept : name of the method that the package holds.
    """

    methods: tuple[Compared, ...]
    pixels: int
    kept: str

    @property
    def best(self) -> Compared:
        """The method with the largest mean IoU on the validation pixels; the network among equals."""
        return max(self.methods, key=lambda each: each.validation)

    @property
    def caution(self) -> str:
        """Caution where a method that is not packaged is better, by more than a tie; else empty."""
        kept = self._packaged
        if kept.validation >= self.best.validation or self.best.tied:
            return ""
        return (
            f"On the validation ground a {self.best.method} is better than this {self.kept}: mIoU "
            f"{self.best.validation:.3f} against {kept.validation:.3f}. `method='auto'` keeps the better one."
        )

    @property
    def tie(self) -> str:
        """Name methods as good as the packaged method, with the reason for the choice; empty where none is."""
        others = [each for each in self.methods if each.tied]
        if not others:
            return ""
        figure, best = self._packaged.validation, max(each.validation for each in others)
        why = "for its higher figure" if figure > best else "as the one asked for"
        if figure == best:
            why = "as the first of equals"
        return (
            f"a tie with {' and '.join(each.method for each in others)} (95 % of other draws of the validation windows "
            f"leave open which is better); kept {why}"
        )

    @property
    def _packaged(self) -> Compared:
        return next(each for each in self.methods if each.method == self.kept)

    def metrics(self) -> dict[str, float]:
        """Give the test figures of the methods that are not packaged, by name, for the card."""
        return {
            f"mIoU of {each.method}, {PARTS[TEST]}": round(each.test, 4)
            for each in self.methods
            if each.method != self.kept and each.test is not None and np.isfinite(each.test)
        }

    def fact(self) -> str:
        """Summarise the comparison in one line, for the card."""
        figures = "; ".join(f"{each.method} {each.validation:.3f}" for each in self.methods)
        tied = ", ".join(each.method for each in self.methods if each.tied)
        return (
            f"mIoU on {self.pixels} pixels of the validation ground: {figures}; kept: {self.kept}"
            + (f"; a tie with {tied}" if tied else "")
        )

    def to_dict(self) -> dict[str, Any]:
        """Convert to values that JSON has."""
        methods = [
            {
                "method": each.method,
                "validation": round(each.validation, 4),
                "test": None if each.test is None else round(each.test, 4),
                "seconds": round(each.seconds, 1),
                "tied": each.tied,
            }
            for each in self.methods
        ]
        return {"pixels": self.pixels, "kept": self.kept, "methods": methods}

    def write(self, folder: RunFolder, warn: Callable[[str], None]) -> None:
        """Write the methods with their figures as CSV into the folder of the run, and warn where a better method is not packaged."""
        if self.caution:
            warn(self.caution)
        with folder.extras.making(folder.comparison):
            text = io.StringIO()
            rows = self.to_dict()["methods"]
            writer = csv.DictWriter(text, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
            write_atomically(folder.comparison, text.getvalue().encode())
