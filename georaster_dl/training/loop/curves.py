"""The curves of a training run as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from georaster_dl.io.files.atomic import write_atomically

__all__ = ["write_curves"]


def write_curves(path: Path, history: Sequence[Mapping[str, float]], *, score: str) -> None:
    """Draw losses and validation score against the epoch.

    Parameters
    ----------
    history : per epoch ``epoch``, ``loss``, ``val_loss``, ``val_score`` and ``learning_rate``.
    score : what the validation score is, for the axis: "mean IoU" or "R²".

    Raises
    ------
    OutputError
        When the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.6), dpi=120, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    losses, scores = figure.subplots(1, 2)
    epochs = [entry["epoch"] + 1 for entry in history]
    for key, label, color in (
        ("loss", "training", "#1b7837"),
        ("val_loss", "validation", "#2166ac"),
    ):
        losses.plot(epochs, [entry[key] for entry in history], label=label, color=color, marker=".")
    losses.set(title="Loss", xlabel="epoch")
    losses.legend(frameon=False)
    values = [entry["val_score"] for entry in history]
    scores.plot(epochs, values, color="#2166ac", marker=".")
    best = max(range(len(values)), key=values.__getitem__)
    label = f"best: {values[best]:.3f}, epoch {epochs[best]:.0f}"
    scores.plot(epochs[best], values[best], "o", color="#b2182b", label=label)
    scores.legend(frameon=False, loc="lower right")
    scores.set(title=f"Validation {score}", xlabel="epoch")
    for axes in (losses, scores):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=True, color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_atomically(path, picture.getvalue())
