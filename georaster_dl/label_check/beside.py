"""List of suspect labels beside a training, which it never costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, warner
from georaster_dl.io.output.staging import Extras
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig

if TYPE_CHECKING:
    from georaster_dl.training.train import Trained

__all__ = ["check_list", "with_suspects"]


def check_list(out: Path, config: TrainConfig, *, overwrite: bool) -> None:
    """Check, before hours of training, that a list of suspects can be made.

    Raises
    ------
    OptionError
        When labels are no classes, or the file exists or is no GeoPackage.
    """
    if config.task != "segmentation":
        raise OptionError(
            f"`suspects=` finds wrong labels of classes, but the task is {config.task}; leave it out."
        )
    if out.suffix.lower() != ".gpkg":
        raise OptionError(
            f"A GeoPackage of suspects is made, but its name is {out}; end it in .gpkg."
        )
    if not out.absolute().parent.is_dir():
        raise OptionError(f"The folder {out.absolute().parent} does not exist; make it first.")
    if out.exists() and not overwrite:
        raise OptionError(f"The output {out} exists; give another name or use `overwrite=True`.")


def with_suspects(
    trained: Trained,
    pairs: Sequence[SceneWithLabels],
    out: Path,
    config: TrainConfig,
    *,
    overwrite: bool,
    report: Report,
) -> Trained:
    """Write the suspects among the labels of a training that is done; a failure is a warning.

    They are found by ``check_labels``, with forests of its own folds, so all labels are judged.
    """
    from georaster_dl.label_check.run import CheckOptions, check_labels  # heavy

    extras = Extras(warner(report))
    with extras.making(out):
        check_labels(pairs, out, CheckOptions(config, overwrite=overwrite), report)
    return replace(trained, failed=(*trained.failed, *extras.failed))
