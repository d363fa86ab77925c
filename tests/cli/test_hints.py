"""Messages of the library name keyword arguments, which the command line shows as its options."""

import ast
import re
from functools import cache
from pathlib import Path

import click
import pytest
from geodl_cli.main import geodl
from geodl_cli.terminal.hints import _NAMES, with_options

LIBRARY = Path(__file__).parents[2] / "georaster_dl"
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|-[a-z](?=[ ;,.:]|$))")
OF_OTHER_PROGRAMS = {"--force-reinstall", "--no-deps", "--profile", "--resources", "-r"}
"""Of pip, qgis, dask and gdalwarp."""


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("name its bands with `bands=`.", "name its bands with --bands."),
        ("choose another `class_field=`", "choose another --class-field"),
        ("allow it with `overwrite=True`", "allow it with --overwrite"),
        ("(`scale=0.0001, offset=-0.1, nodata=0`)", "(--scale 0.0001 --offset -0.1 --nodata 0)"),
        ('`mask="SCL"` masks', "--mask SCL masks"),
        ('`mask="my file.tif"` masks', '--mask "my file.tif" masks'),
        ('`split.kind="column"`', "--split column"),
        ("fewer `k=`", "fewer -k"),
        ('`train(task="autoencoder")`', "geodl train --task autoencoder"),
        ("`segment(confidence=...)`", "geodl segment --confidence"),
        ("use `features()`", "use geodl features"),
        ("`geodl models list` lists all", "`geodl models list` lists all"),
        ("a name with one ` only=", "a name with one ` only="),
    ],
)
def test_option_is_shown(message, shown):
    assert with_options(message) == shown


def test_option_is_shown_in_every_text_of_an_event():
    event = {"message": "see `bands=`", "failed": [{"reason": "give `aoi=`"}], "pixels": 3}
    assert with_options(event) == {
        "message": "see --bands",
        "failed": [{"reason": "give --aoi"}],
        "pixels": 3,
    }


@pytest.mark.parametrize("room", sorted(each.name for each in LIBRARY.iterdir() if each.is_dir()))
def test_no_message_names_an_option(room):
    named = [f"{place}: {text!r}" for place, text in texts(LIBRARY / room) if _names_option(text)]
    assert not named, "\n".join(named)


def _names_option(text):
    if re.fullmatch("-[a-z]", text):  # an argument of another program
        return False
    return any(each not in OF_OTHER_PROGRAMS for each in OPTION.findall(text))


def test_hints_name_arguments_and_options_that_exist():
    options = {name for command in commands(geodl) for each in command.params for name in each.opts}
    for place, text in texts(LIBRARY):
        if place.startswith("api"):
            continue  # read by Python users alone
        for code in re.findall("`([^`]*=[^`]*)`", text):
            shown = with_options(f"`{code}`")
            assert set(OPTION.findall(shown)) <= options, f"{place}: {shown}"
            keywords = re.findall(r"([a-z_.]+)=", code)
            assert {each.rpartition(".")[2] for each in keywords} <= names(), f"{place}: {code}"


def test_exceptions_are_options():
    options = {name for command in commands(geodl) for each in command.params for name in each.opts}
    assert set(_NAMES.values()) <= options


def commands(group):
    for command in group.commands.values():
        yield from commands(command) if isinstance(command, click.Group) else [command]


@cache
def trees():
    return {path: ast.parse(path.read_text("utf-8")) for path in sorted(LIBRARY.rglob("*.py"))}


def texts(folder):
    """Yield the place and text of every literal of a room; ``{}`` for each value put into it."""
    for path, tree in trees().items():
        if folder not in path.parents:
            continue
        inner = {id(each) for node in ast.walk(tree) for each in parts(node)}
        for node in ast.walk(tree):
            text = text_of(node)
            if text is not None and id(node) not in inner:
                yield f"{path.relative_to(LIBRARY)}:{node.lineno}", text


def parts(node):
    """Literals below a node that are not texts of their own: docstrings, pieces of an f-string."""
    if isinstance(node, ast.JoinedStr):
        return [each for each in node.values if isinstance(each, ast.Constant)]
    return [node.value] if isinstance(node, ast.Expr) else []


def text_of(node):
    if isinstance(node, ast.JoinedStr):
        return "".join(
            each.value if isinstance(each, ast.Constant) else "{}" for each in node.values
        )
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


@cache
def names():
    """Arguments of functions and annotated fields of classes of the library."""
    nodes = [node for tree in trees().values() for node in ast.walk(tree)]
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
    fields = {
        node.target.id
        for node in nodes
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    return arguments | fields
