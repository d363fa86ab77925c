"""Results of a search: table of its trials, picture of importances, best settings."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from georaster_dl.io.files.atomic import write_atomically
from georaster_dl.training.loop.run_folder import RunFolder
from georaster_dl.training.search.study import EndedTrial, Study
from georaster_dl.training.settings.config import TrainConfig

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_search", "importances", "write_results"]

_COLUMNS = 4  # of the picture
_COLORS = {"finished": "#2166ac", "pruned": "#bdbdbd"}
_LABELS = {"finished": "finished", "pruned": "ended early"}


def write_results(folder: RunFolder, study: Study, best: TrainConfig | None, *, score: str) -> None:
    """Write ``trials.csv``, ``search.png`` and the best settings, ``config.toml``, into the search's folder.

    Parameters
    ----------
    best : settings of the best trial; None where none was finished.
    score : name of the score, for the picture.
    """
    inner = folder.search
    ended = study.ended
    with folder.extras.making(inner / "trials.csv"):
        write_atomically(inner / "trials.csv", _table(ended).encode())
    if best is None:
        return
    with folder.extras.making(inner / "config.toml"):
        write_atomically(inner / "config.toml", best.to_toml().encode())
    with folder.extras.making(inner / "search.png"):
        write_atomically(inner / "search.png", draw_search(ended, importances(study), score))


def importances(study: Study) -> dict[str, float]:
    """Share of the scores' variance that each setting explains, the largest first (fANOVA, Hutter et al. 2014).

    Of settings that all finished trials have; empty where fewer than four were finished, or all scores are alike.
    """
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    scores = [each.score for each in study.ended if each.state == "finished"]
    if len(scores) < 4 or len(set(scores)) < 2:
        return {}
    found = get_param_importances(study.optuna, evaluator=FanovaImportanceEvaluator(seed=0))
    return {name: round(float(share), 3) for name, share in found.items()}


def _table(ended: Sequence[EndedTrial]) -> str:
    """Table of all trials as CSV, a column for each setting."""
    names = list(dict.fromkeys(name for each in ended for name in each.values))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["trial", "state", "val_score", "epochs", "seconds", *names, "reason"])
    for each in ended:
        values = [each.values.get(name, "") for name in names]
        score = "" if each.score is None else each.score
        writer.writerow(
            [each.number, each.state, score, each.epochs, each.seconds, *values, each.reason]
        )
    return text.getvalue()


def draw_search(ended: Sequence[EndedTrial], shares: dict[str, float], score: str) -> bytes:
    """Draw scores against every setting that had several values, and how much of their variance each explains, as PNG.

    Parameters
    ----------
    shares : as ``importances`` gives them.
    score : name of the score.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [each for each in ended if each.state in _COLORS]
    found = dict.fromkeys([*shares, *(name for each in shown for name in each.values)])
    names = [name for name in found if _varied(shown, name)]
    shares = {name: share for name, share in shares.items() if name in names}
    panels = len(names) + 2
    rows = -(-panels // _COLUMNS)
    figure = Figure(
        figsize=(3.1 * _COLUMNS, 2.6 * rows), dpi=110, facecolor="white", layout="constrained"
    )
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    _draw_order(axes[0], shown, score)
    _draw_shares(axes[1], shares)
    for each, name in zip(axes[2:], names, strict=False):
        _draw_setting(each, shown, name)
    for each in axes[:panels]:
        each.grid(visible=True, color="0.9")
        each.set_axisbelow(True)
        each.spines[["top", "right"]].set_visible(False)
    for each in axes[panels:]:
        each.set_axis_off()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _varied(shown: Sequence[EndedTrial], name: str) -> bool:
    """Whether the trials have several values of a setting."""
    return len({each.values[name] for each in shown if name in each.values}) > 1


def _draw_order(axes: Axes, shown: Sequence[EndedTrial], score: str) -> None:
    """Draw the scores in the order of the trials."""
    from matplotlib.ticker import MaxNLocator

    for state, color in _COLORS.items():
        of_state = [each for each in shown if each.state == state]
        axes.plot(
            [e.number for e in of_state],
            [e.score or 0.0 for e in of_state],
            "o",
            color=color,
            label=_LABELS[state],
        )
    axes.set(title=f"Validation {score}", xlabel="trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=8)


def _draw_shares(axes: Axes, shares: dict[str, float]) -> None:
    """Draw the share of variance of each setting as a bar."""
    axes.barh(list(shares), list(shares.values()), color=_COLORS["finished"])
    axes.invert_yaxis()
    axes.set(title="What mattered", xlabel="share of the variance", xlim=(0, 1))
    if not shares:
        axes.set_yticks([])
        axes.text(
            0.5, 0.5, "too few finished trials", ha="center", color="0.4", transform=axes.transAxes
        )


def _draw_setting(axes: Axes, shown: Sequence[EndedTrial], name: str) -> None:
    """Draw the scores against the values of a setting."""
    having = [each for each in shown if name in each.values]
    values: list[Any] = [each.values[name] for each in having]
    numbers = all(isinstance(v, float) for v in values)
    kinds = sorted(set(values))
    places = np.array(values if numbers else [kinds.index(v) for v in values], float)
    colors = [_COLORS[each.state] for each in having]
    axes.scatter(places, [each.score or 0.0 for each in having], c=colors, s=24)
    if numbers and places.size and places.min() > 0 and places.max() > 5 * places.min():
        axes.set_xscale("log")
    if not numbers:
        axes.set_xticks(
            range(len(kinds)), [str(kind) for kind in kinds], rotation=20, ha="right", fontsize=8
        )
    axes.set_title(name)
