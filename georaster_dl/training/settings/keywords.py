"""Short names of the settings of a training that the command and the Python function take."""

__all__ = ["SETTINGS"]

SETTINGS = {
    "task": "task",
    "seed": "seed",
    "bands": "scene.bands",
    "nodata": "scene.nodata",
    "scale": "scene.scale",
    "offset": "scene.offset",
    "mask": "scene.mask",
    "wavelengths": "scene.wavelengths",
    "layer": "labels.layer",
    "class_field": "labels.class_field",
    "width_m": "labels.width_m",
    "all_touched": "labels.all_touched",
    "priority": "labels.priority",
    "ignore": "labels.ignore",
    "classes": "labels.classes",
    "background": "labels.background",
    "fraction_fields": "labels.fraction_fields",
    "per_polygon": "labels.per_polygon",
    "split": "split.kind",
    "split_column": "split.column",
    "block": "split.block",
    "buffer": "split.buffer",
    "architecture": "model.architecture",
    "encoder": "model.encoder",
    "head": "model.head",
    "ensemble": "model.ensemble",
    "init": "start.weights",
    "freeze": "start.freeze",
    "epochs": "training.epochs",
    "device": "training.device",
    "precision": "training.precision",
    "tensorboard": "training.tensorboard",
}
"""Full names of the settings, by the name of the option or keyword argument."""
