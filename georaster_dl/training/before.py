"""Checks before a training that read no pixel and import no torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from georaster_dl.core.errors import OptionError
from georaster_dl.io.files.atomic import check_local
from georaster_dl.io.labels.read import is_vector, read_legend
from georaster_dl.training.data.labelled_scenes import grain_of
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.loop.run_folder import RunFolder
from georaster_dl.training.settings.checks import check_search, check_trackers
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.settings.recipes import with_recipe
from georaster_dl.training.settings.resolve import resolve_defaults, trains_network, with_method
from georaster_dl.training.start.choice import choose_start

__all__ = ["check_before", "check_folder", "check_output", "is_leader", "resolved"]


def is_leader() -> bool:
    """Whether a process is the first of several in one training, by its rank."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def check_before(
    pairs: Sequence[SceneWithLabels],
    model: Path,
    config: TrainConfig,
    *,
    resume: bool,
    overwrite: bool,
) -> None:
    """Check output, settings, the first scene, and the classes of a vector file that all labels are in.

    ``train`` checks all of it again; this is for a program that has not imported torch yet, which takes seconds.

    Raises
    ------
    GeoRasterError
        When anything of it cannot be used.
    """
    if not is_leader():
        return  # the run's folder is there by now
    check_output(model, resume=resume, overwrite=overwrite)
    folder = RunFolder(model)
    begun = folder.settings if resume else None
    made = resolved(config, pairs, begun, lambda _line: None)
    check_folder(folder, made, resume=resume, overwrite=overwrite)
    grain_of(pairs[0], config)
    files = list({pair.labels for pair in pairs if pair.labels is not None})
    if config.task == "segmentation" and len(files) == 1 and is_vector(files[0]):
        read_legend(files, config.labels)


def resolved(
    config: TrainConfig,
    pairs: Sequence[SceneWithLabels],
    before: TrainConfig | None,
    warn: Callable[[str], None],
) -> TrainConfig:
    """Resolve the defaults of the settings, and check for missing extras."""
    check_trackers(config)
    check_search(config)
    given, start = choose_start(with_method(config, before), pairs, before)
    if not trains_network(given):
        return resolve_defaults(given).model_copy(update={"model": given.model})
    stated, chosen = with_recipe(given, *grain_of(pairs[0], given))
    for line in filter(None, (start, chosen)):
        warn(line)
    return resolve_defaults(stated, before)


def check_folder(folder: RunFolder, config: TrainConfig, *, resume: bool, overwrite: bool) -> None:
    """Check that the run's folder can be made, or gone on from, and is not the folder to rehearse."""
    run = config.start.rehearse
    if run is not None and run.resolve() == folder.path.resolve():
        raise OptionError(
            f"`rehearse={str(run)!r}` is the folder that this run would replace; give the new model another name."
        )
    if not resume:
        folder.check_free(overwrite=overwrite)
        return
    if not trains_network(config):
        raise OptionError(
            f"`resume=True` goes on after a finished epoch, but `method='{config.method}'` has none and takes seconds; "
            f"leave it out, with `overwrite=True` where the run exists."
        )
    folder.resume(config)


def check_output(model: Path, *, resume: bool, overwrite: bool) -> None:
    """Check that the package can be written."""
    if resume and model.exists() and not overwrite:
        raise OptionError(f"`resume=True` has nothing to do: {model} is finished.")
    check_local(model)
    if model.suffix != ".safetensors":
        raise OptionError(
            f"A model package is made, but its name is {model}; end it in .safetensors."
        )
    if model.exists() and not overwrite:
        raise OptionError(f"The output {model} exists; give another name or use `overwrite=True`.")
    if not model.absolute().parent.is_dir():
        raise OptionError(f"The folder {model.absolute().parent} does not exist; make it first.")
