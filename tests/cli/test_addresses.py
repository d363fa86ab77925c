"""Outputs are local: an address is refused in one line before any work, in every command."""

import click
import pytest
from geodl_cli.main import geodl as commands
from geodl_cli.options.shared import OUTPUT_FILE

S3 = "s3://bucket/made"


def walk(command, path=()):
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from walk(inner, (*path, name))
    else:
        yield path, command


def outputs():
    for path, command in walk(commands):
        for option in command.params:
            if isinstance(option, click.Option) and isinstance(option.type, type(OUTPUT_FILE)):
                yield path, option.opts[-1]


@pytest.mark.parametrize(("command", "option"), list(outputs()))
def test_an_address_is_refused(refused, command, option):
    told = refused(*command, option, S3)
    assert told.startswith(f"geodl: The output {S3} is an address")


def test_every_option_that_makes_a_file_is_such(refused):
    found = {(*path, option) for path, option in outputs()}
    assert {
        ("segment", "--quicklook"), ("segment", "--log"), ("train", "--output"),
        ("batch", "--directory"), ("mosaic", "--stac"), ("classify", "--save"),
        ("spectra", "predict", "--output"), ("spectra", "evaluate", "--plot"),
        ("models", "export", "--output"), ("sample-points", "--output"),
    } <= found  # fmt: skip
    for path, command in walk(commands):
        for option in command.params:
            if isinstance(option, click.Option) and isinstance(option.type, click.Path):
                makes = any(word in (option.help or "") for word in ("to make", "Also write a"))
                assert not makes or (*path, option.opts[-1]) in found
