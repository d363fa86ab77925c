"""An option that several commands have is spelt, described and bounded the same in all of them."""

from collections import defaultdict

import click
import pytest
from geodl_cli.main import geodl

# Spellings that mean something else in another command.
AMBIGUOUS = {
    "--output",
    "--model",  # of maps, of spectra, of pixels
    "--layer",  # of a network, of a vector file
    "--method",
    "--task",  # of scenes, of spectra
    "--init",  # of scenes, of spectra
    "--add",  # to learn from, to simulate from
    "--shade",  # a black member, a black part of mixtures
    "--bilinear",
    "--members",  # of an ensemble, of mixtures
    "--boundaries",  # to write, to separate objects by
    "--error",  # of a reconstruction, of an unmixing
    "--float32",
    "-k",  # clusters, members
    "--class-field",  # of labels, of a library
    "--split",  # classify has no whole scenes
    "--search",  # of settings, for members in the order of their size
    "--split-column",  # of labels, of a table
    "--block",  # of a split, of the bootstrap
    "--epochs",
    "--bands",  # ONNX: of the input
    "--scale",
    "--offset",
    "--plot",  # values, wavelengths
    "--resample",  # bands of a scene, spectra of a table
    "--uncertainty",  # a raster beside a map, how propose makes its passes
    "-n",  # of points, of areas
    "--per-polygon",  # what is classified, what fractions are of
    "--polygons",  # batch names the files itself
    "--parcels",  # to choose from, to classify
    "--quicklook",
    "--probabilities",  # to make, to smooth
    "--aoi",  # of an output, of a comparison
    "--confidence",  # of a class, of both dates' classes
    "--csv",  # of scores, of changes
    "--architecture",  # of images, of series
    "--labels",  # that exist already, to learn
    "--target",  # several of spectra, one of series
    "--date-column",  # of series, of a split of spectra
    "--id-column",  # of spectra, of series
    "--group",
    "--group-column",  # what a split keeps together, what a report holds out together
    "--preprocess",  # of a model, of a report
    "--quantity",
    "--cell",  # of candidates in pixels, of a raster of points in metres
    "--crs",  # of a mosaic, of points
    "--until",  # of a stack; of series also a day of every season
}


def commands(group=geodl, name="geodl"):
    for each in group.commands.values():
        full = f"{name} {each.name}"
        yield from commands(each, full) if isinstance(each, click.Group) else [(full, each)]


def options():
    for name, command in commands():
        for option in command.params:
            if isinstance(option, click.Option):
                yield name, option


def test_shared_options_are_the_same_everywhere():
    meanings = defaultdict(set)
    for _, option in options():
        spelling = option.opts[-1]
        if spelling not in AMBIGUOUS:
            kind = option.type.to_info_dict() if option.type else None
            meanings[spelling].add((option.help, option.metavar, option.is_flag, str(kind)))
    assert [spelling for spelling, found in meanings.items() if len(found) > 1] == []


def test_m_is_the_model():
    assert {option.opts[-1] for _, option in options() if "-m" in option.opts} == {"--model"}


def test_help_says_what_an_option_does():
    for name, option in options():
        assert option.help, f"{name} {option.opts}"
        assert option.help[0].isupper() or option.help.startswith(("fp", "float32", "k-means"))
        assert not option.help.startswith(("Of ", "What ", "Who ")), f"{name} {option.opts}"
        assert option.help.endswith((".", "]")), f"{name} {option.opts}"


@pytest.mark.parametrize(
    ("name", "former", "value", "option"),
    [
        ("geodl train", "-m", "unet", "architecture"),
        ("geodl spectra train", "-m", "spectratr", "method"),
        ("geodl mosaic", "--by", "date", "order_by"),
        ("geodl mosaic", "--without", "water", "fill_class"),
    ],
)
def test_former_spellings_are_taken_and_not_shown(name, former, value, option):
    command = dict(commands())[name]
    context = command.make_context(name, ["input", "-o", "output", former, value])
    assert context.params[option] in (value, (value,))
    assert former not in {spelling for each in command.params for spelling in each.opts}
