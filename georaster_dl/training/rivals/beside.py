"""Classifiers fitted beside a network, compared with it, and the better one chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

from torch import nn

from georaster_dl.core.events import Report
from georaster_dl.models.runtime.device import Device
from georaster_dl.tiling.split_blocks import TEST
from georaster_dl.training.data.training_data import TrainingData
from georaster_dl.training.rivals.classifiers import Family
from georaster_dl.training.rivals.comparison import NETWORK, Compared, Comparison
from georaster_dl.training.rivals.fit import JUDGED, Rival, fit_rivals, mean_iou
from georaster_dl.training.rivals.ground import Ground, draw_tested

__all__ = ["Beside", "fit_beside"]


def fit_beside(data: TrainingData, report: Report) -> Beside | None:
    """Fit the classifiers that the settings want; None where they want none."""
    method = data.config.method
    if not data.names or method == "network":
        return None
    families = [each for each in get_args(Family) if method in (each, "auto", None)]
    rivals, judged = fit_rivals(data, families, report)
    return Beside(rivals, judged) if rivals else None


@dataclass(frozen=True)
class Beside:
    """Fitted classifiers, and the validation pixels on which they were judged."""

    rivals: list[Rival]
    judged: Ground

    def compare(
        self, network: nn.Module | None, seconds: float, device: Device
    ) -> tuple[Comparison, Rival | None]:
        """Compare the network with the classifiers on the same pixels, and choose the one to keep.

        Only where the method is ``auto`` does a classifier take the network's place. Of the test ground, the network
        and the best classifier get a figure.

        Parameters
        ----------
        network : the trained network, None where none was trained.
        seconds : that its training took.

        Returns
        -------
        The comparison, and the classifier that is kept; None where it is the network.
        """
        best = max(self.rivals, key=lambda each: each.iou)
        data = self.judged.data
        tested = draw_tested(data, TEST, JUDGED) if data.split.labelled(TEST).any() else None

        def on_test(judged: nn.Module) -> float | None:
            return None if tested is None else mean_iou(tested.mapped(judged, device), tested)

        maps = {each.name: each.mapped for each in self.rivals}
        methods = [
            Compared(each.name, each.iou, None, each.seconds)
            if each is not best
            else Compared(each.name, each.iou, on_test(each.network), each.seconds)
            for each in self.rivals
        ]
        kept: Rival | None = best
        if network is not None:
            maps[NETWORK] = self.judged.mapped(network, device)
            iou = mean_iou(maps[NETWORK], self.judged)
            methods.insert(0, Compared(NETWORK, iou, on_test(network), seconds))
            kept = best if data.config.method == "auto" and best.iou > iou else None
        name = NETWORK if kept is None else kept.name
        compared = tuple(
            replace(each, tied=self.judged.tied(maps[each.method], maps[name]))
            if each.method != name
            else each
            for each in methods
        )
        return Comparison(compared, len(self.judged.classes), name), kept
