"""Defaults that follow from other settings: from the task, and from the model to start from."""

from __future__ import annotations

from dataclasses import fields

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.models.package.card import Architecture, Card
from georaster_dl.models.package.file import find_model, read_card
from georaster_dl.models.registry import describe_model, fitted_models, takes_encoder
from georaster_dl.models.runtime.optional_bands import narrowed_card
from georaster_dl.training.settings.absence import with_modalities
from georaster_dl.training.settings.config import FRESH_RATE, TrainConfig
from georaster_dl.training.start.public import encoder_of, is_package, is_public

__all__ = ["resolve_defaults", "trains_network", "with_code", "with_method"]

_AUTOENCODER = "conv_autoencoder"
_OF_NETWORK = {"architecture", "encoder", "options", "head", "ensemble"}  # who states one wants it
_FRACTIONS, _BOUNDARIES = "fractions", "boundaries"  # heads of the registry
_DECODER_DROPOUT = 0.1
_HIDDEN = 0.6  # share of the squares
_WITH_SKIPS = (
    "plain_unet",
    "spectral_unet",
    "fusion_unet",
)  # beside all that are built around an encoder


def resolve_defaults(config: TrainConfig, begun: TrainConfig | None = None) -> TrainConfig:
    """Resolve the defaults that depend on the task, the architecture and the model to start from.

    Parameters
    ----------
    begun : settings of the run that is resumed; one of an older version goes on without dropout, and on its blocks.

    Raises
    ------
    GeoRasterError
        When settings contradict each other, or the model to start from cannot be read.
    """
    _check_rehearsal(config)
    config = _with_begun_split(config, begun)
    config = _with_ensemble(
        _with_head(_with_options(_with_hidden(_with_task(_with_start(config)))))
    )
    older = begun is not None and "decoder_dropout" not in begun.model.options
    return config if older else _with_dropout(config)


def _check_rehearsal(config: TrainConfig) -> None:
    """Check that the patches to rehearse were learnt by the model to start from."""
    run, weights = config.start.rehearse, config.start.weights
    if run is None:
        return
    if config.task != "autoencoder":
        raise OptionError(
            f"`rehearse={str(run)!r}` is of autoencoders, but the task is {config.task}; use `task='autoencoder'`, or leave "
            f"it out."
        )
    if not is_package(weights) or read_card(find_model(weights)).task != "autoencoder":
        raise OptionError(
            f"`rehearse={str(run)!r}` keeps what an autoencoder has learnt, but training starts from {weights}, which is "
            f"none; give the model of that run by `init=`."
        )


def _with_begun_split(config: TrainConfig, begun: TrainConfig | None) -> TrainConfig:
    """Keep the blocks of a run that an older version began, whose default they were."""
    if begun is None or begun.split.kind != "blocks" or "kind" in config.split.model_fields_set:
        return config
    return config.updated({"split.kind": "blocks"})


def with_method(config: TrainConfig, begun: TrainConfig | None = None) -> TrainConfig:
    """Choose ``auto`` as the method where nothing of the network is stated; before anything else is resolved.

    Where modalities are left out, a network that can do without them is stated by that.

    Parameters
    ----------
    begun : settings of the run that is resumed; one without a method goes on without.

    Raises
    ------
    OptionError
        When the method does not go with the task, with a search, or with modalities that are left out.
    """
    config = with_modalities(config)
    if config.task != "segmentation" and config.method not in (None, "network"):
        raise OptionError(
            f"`method='{config.method}'` is of classes, but the task is {config.task}, for which networks alone are "
            f"trained; leave it out."
        )
    if config.labels.instances:
        _check_instances(config)
    if config.search.trials and not trains_network(config):
        raise OptionError(
            f"`search={config.search.trials}` tries settings of networks, but `method='{config.method}'` trains none; leave "
            f"one of them out."
        )
    if not trains_network(config):
        _refuse_network_settings(config)
    stated = (
        config.model.model_fields_set & _OF_NETWORK
        or config.start.model_fields_set
        or config.labels.instances
    )
    older = begun is not None and begun.method is None
    if config.task != "segmentation" or config.method is not None or stated or older:
        return config
    return config.updated({"method": "auto"})


def _check_instances(config: TrainConfig) -> None:
    """Check that boundaries of objects are learnt by a network of classes, with the last layer that gives them."""
    if config.task != "segmentation":
        raise OptionError(
            f"`instances=True` tells objects of a class apart, but the task is {config.task}; leave it out."
        )
    if config.method not in (None, "network"):
        raise OptionError(
            f"`method='{config.method}'` may give a model that knows no boundaries, which `instances=True` learns; leave one "
            f"of them out."
        )
    if config.model.head is not None:
        raise OptionError(
            f"`head={config.model.head!r}` is not for `instances=True`, whose last layer has a plane of boundaries; leave "
            f"one of them out."
        )
    if config.patches.size == 1:
        raise OptionError(
            "`instances=True` learns from what surrounds a pixel, but patches.size is 1; leave one of them out."
        )


def trains_network(config: TrainConfig) -> bool:
    """Whether a network is trained at all."""
    return config.method not in ("rf", "svm")


def _refuse_network_settings(config: TrainConfig) -> None:
    """Refuse settings of a network where none is trained."""
    usual = TrainConfig()
    changed = [
        f"{section}.{name}"
        for section, names in (
            ("model", sorted(_OF_NETWORK)),
            ("start", sorted(type(usual.start).model_fields)),
        )
        for name in names
        if getattr(getattr(config, section), name) != getattr(getattr(usual, section), name)
    ]
    if changed:
        raise OptionError(
            f"`method='{config.method}'` trains no network, but {', '.join(changed)} is set; leave one of them out."
        )


def _with_start(config: TrainConfig) -> TrainConfig:
    """Take the architecture of the package to start from, where the settings choose none."""
    weights = config.start.weights
    if weights == "random" and config.start.freeze != "none":
        raise OptionError(
            f"`start.freeze='{config.start.freeze}'` would keep random weights as they are; say with "
            f"`start.weights=` which weights to start from: imagenet, or a model."
        )
    if is_public(weights):
        return _with_public_encoder(config)
    if not is_package(weights):
        return config
    card = read_card(find_model(weights))
    if card.architecture.name in fitted_models(to="pixels"):
        raise OptionError(
            f"`start.weights='{weights}'` is a fitted classifier, which has no weights to start from; leave it out, and "
            f"fit it anew with `method=`."
        )
    if card.task == "autoencoder" != config.task and config.training.learning_rate is None:
        # Not the rate of fine-tuning: most of an autoencoder has to change to separate classes.
        config = config.updated({"training.learning_rate": FRESH_RATE})
    return _with_network_of(*_member_of(_plain(card).architecture), config)


def _with_public_encoder(config: TrainConfig) -> TrainConfig:
    """Take the encoder that public weights belong to, where the settings choose none."""
    encoder = (
        None if "encoder" in config.model.model_fields_set else encoder_of(config.start.weights)
    )
    return config.updated({"model.encoder": encoder}) if encoder else config


def _member_of(stated: Architecture) -> tuple[Architecture, int]:
    """Architecture of the members of an ensemble, and their number; of a single network its own, and 1."""
    options = dict(stated.options)
    if stated.name != "ensemble":
        return stated, 1
    member, count, _ = (options.pop(key, None) for key in ("member", "members", "spread"))
    if not isinstance(member, str) or not isinstance(count, int):
        raise OptionError(
            f"The ensemble to start from states member={member!r} and members={count!r}, a name and a number are "
            f"needed; get the model again."
        )
    return stated.model_copy(update={"name": member, "options": options}), count


def _with_network_of(stated: Architecture, count: int, config: TrainConfig) -> TrainConfig:
    """Take the package's architecture, or the options that another architecture shares with it."""
    model = config.model
    if not model.model_fields_set & {"architecture", "encoder"}:
        chosen: dict[str, object] = {
            "model.architecture": stated.name,
            "model.options": stated.options,
        }
        if "ensemble" not in model.model_fields_set:
            chosen["model.ensemble"] = count
        return config.updated(
            chosen | ({"model.encoder": stated.encoder} if stated.encoder else {})
        )
    if "options" in model.model_fields_set or model.architecture == stated.name:
        return config
    # Of another network that can start from it, such as a classifier of an autoencoder's code.
    options = describe_model(model.architecture)[1]
    shared = {key: value for key, value in stated.options.items() if key in options}
    return config.updated({"model.options": shared}) if shared else config


def _plain(card: Card) -> Card:
    """Card without band-presence flags: in training all bands are present."""
    return narrowed_card(card, [band.name for band in card.bands])


def _with_task(config: TrainConfig) -> TrainConfig:
    """Resolve the settings of an autoencoder: no labels, its network, no radiometric augmentation."""
    if config.task != "fractions":
        _refuse_fraction_labels(config)
    if config.task != "segmentation" and config.labels.erode:
        raise OptionError(
            f"`erode=` is of labels that are classes, but the task is {config.task}; leave it out."
        )
    if config.task != "autoencoder":
        return config
    default = LabelOptions()
    stated = [
        f.name
        for f in fields(default)
        if getattr(config.labels, f.name) != getattr(default, f.name)
    ]
    if stated:
        raise OptionError(
            f"The task autoencoder learns from scenes without labels, but labels.{stated[0]} is set; "
            f"leave it out, or choose another task."
        )
    unchanged = {f.name for f in fields(config.augment)} - {
        "dihedral",
        "scale",
        "needed_modalities",
    }
    changes: dict[str, object] = {f"augment.{key}": 0.0 for key in sorted(unchanged)}
    if not config.model.model_fields_set & {"architecture", "encoder"}:
        changes["model.architecture"] = _AUTOENCODER
    return config.updated(changes)


def _with_hidden(config: TrainConfig) -> TrainConfig:
    """Resolve the hidden share of an autoencoder's squares: most for networks with skips, which would copy the input."""
    if config.task != "autoencoder" or config.corruption.hidden is not None:
        return config
    name = config.model.architecture
    skips = takes_encoder(name) or name in _WITH_SKIPS
    return config.updated({"corruption.hidden": _HIDDEN if skips else 0.0})


def _refuse_fraction_labels(config: TrainConfig) -> None:
    """Refuse options of labels that only the task ``fractions`` reads."""
    labels = config.labels
    stated = {"fraction_fields": labels.fraction_fields, "per_polygon": labels.per_polygon}
    for name, value in stated.items():
        if value:
            raise OptionError(
                f"`{name}=` is of labels that are fractions, but the task is {config.task}; use `task='fractions'`, or "
                f"leave it out."
            )


def _with_options(config: TrainConfig) -> TrainConfig:
    """Drop the default options, which are a U-Net's, where the architecture lacks them."""
    model = config.model
    if "options" in model.model_fields_set:
        return config
    _, options = describe_model(model.architecture)
    return (
        config if model.options.keys() <= options.keys() else config.updated({"model.options": {}})
    )


def _with_head(config: TrainConfig) -> TrainConfig:
    """Add the head to the options of the network, which go into the card; that of fractions follows from the task."""
    model = config.model
    of_fractions = config.task == "fractions"
    if of_fractions and model.head is not None:
        raise OptionError(
            f"`head={model.head!r}` is not for fractions, whose last layer is a softmax; leave it out."
        )
    head = _FRACTIONS if of_fractions else model.head
    if config.labels.instances:
        head = _BOUNDARIES
    if head is None and model.options.get("head") in (_FRACTIONS, _BOUNDARIES):
        head = "plain"  # of the model to start from, which had another task
    return (
        config
        if head is None
        else config.updated({"model.options": {**model.options, "head": head}})
    )


def _with_ensemble(config: TrainConfig) -> TrainConfig:
    """Check that an ensemble can be trained, and set its one device."""
    model, devices = config.model, config.training.devices
    if model.ensemble == 1:
        return config
    if config.task == "autoencoder" or model.architecture == "ensemble":
        what = "autoencoders" if config.task == "autoencoder" else "ensembles"
        raise OptionError(
            f"`ensemble={model.ensemble}` makes an ensemble of networks for classes or quantities, but not of {what}; "
            f"leave it out."
        )
    if devices not in (None, 1):
        raise OptionError(
            f"The networks of an ensemble are trained on one device, one after the other, but training.devices is "
            f"{devices}; leave it out."
        )
    return config.updated({"training.devices": 1})


def _with_dropout(config: TrainConfig) -> TrainConfig:
    """Set the dropout of the decoder where no setting states it.

    Later it tells how sure a map is. The default of the registry is none, as in a file without the option.
    """
    model = config.model
    usual = describe_model(model.architecture)[1].get("decoder_dropout")
    if usual != 0 or "decoder_dropout" in model.options or config.task == "autoencoder":
        return config
    return config.updated({"model.options": {**model.options, "decoder_dropout": _DECODER_DROPOUT}})


def with_code(config: TrainConfig, bands: int) -> TrainConfig:
    """Halve an autoencoder's code to half the bands, where its default code could copy them."""
    model = config.model
    usual = describe_model(model.architecture)[1].get("code")
    if config.task != "autoencoder" or usual is None or "code" in model.options or usual < bands:
        return config
    return config.updated({"model.options": {**model.options, "code": max(bands // 2, 1)}})
