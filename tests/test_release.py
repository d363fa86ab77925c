"""Versions, dependencies and checks that are written in several places are the same in all of them."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from georaster_dl import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ON_CONDA_FORGE = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def text_of(path):
    return (ROOT / path).read_text(encoding="utf-8")


def yaml_of(path):
    return yaml.safe_load(text_of(path))


def test_the_version_is_the_same_everywhere():
    assert "version" in PROJECT["dynamic"]
    assert yaml_of("CITATION.cff")["version"] == __version__
    assert yaml_of("packaging/conda/recipe.yaml")["context"]["version"] == __version__
    assert f"\nversion={__version__}\n" in text_of("georaster_dl_qgis/metadata.txt")
    assert re.search(rf"^## {re.escape(__version__)}\b", text_of("CHANGELOG.md"), re.MULTILINE)


def test_the_citation_names_what_the_project_says():
    citation = yaml_of("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == PROJECT["name"]
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Source"]
    holder = re.search(r"Copyright \d+ (.+)", text_of("LICENSE"))[1]
    assert [author["name"].lower() for author in citation["authors"]] == [holder.lower()]


def test_conda_asks_for_what_pip_asks_for():
    wanted = {}
    for requirement in map(Requirement, PROJECT["dependencies"]):
        wanted[ON_CONDA_FORGE.get(requirement.name, requirement.name)] = str(requirement.specifier)
    lines = yaml_of("packaging/conda/recipe.yaml")["requirements"]["run"]
    found = dict(line.split(" ", 1) for line in lines)
    assert found.pop("python").endswith("${{ python_min }}")
    assert found.pop("jsonschema")  # of the extra pystac[validation]
    assert found == wanted


def test_a_commit_is_checked_as_ci_checks_it():
    (repository,) = yaml_of(".pre-commit-config.yaml")["repos"]
    hooks = [hook["entry"] for hook in repository["hooks"]]
    assert hooks == ["ruff check .", "ruff format --check .", "mypy", "lint-imports"]
    assert set(hooks) <= set(text_of(".ci/run").splitlines())
    for command in hooks:
        assert command in text_of("CONTRIBUTING.md")
        assert f"`{command}`" in text_of(".github/pull_request_template.md")


def test_every_python_that_is_named_is_tested():
    named = [re.fullmatch(r".* :: (3\.\d+)", line) for line in PROJECT["classifiers"]]
    jobs = yaml_of(".github/workflows/ci.yml")["jobs"]
    tested = jobs["quick"]["strategy"]["matrix"]["python"]
    assert tested == [match[1] for match in named if match]
    assert PROJECT["requires-python"] == f">={tested[0]}"
    assert f"Python {tested[0]} to {tested[-1]}" in text_of("README.md")
    assert "bash .ci/run" in [step.get("run") for step in jobs["everything"]["steps"]]


@pytest.mark.slow
def test_the_wheel_holds_the_licence_and_nothing_but_the_packages(tmp_path):
    source = tmp_path / "source"
    packages = ("georaster_dl", "georaster_dl_qgis", "cli")
    for name in packages:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, source],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"georaster_dl-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        information = f"georaster_dl-{__version__}.dist-info"
        for name in ("LICENSE", "NOTICE"):
            assert archive.read(f"{information}/licenses/{name}") == (ROOT / name).read_bytes()
    top = {name.split("/")[0] for name in names}
    assert top == {"georaster_dl", "georaster_dl_qgis", "geodl_cli", information}
    models = {path.name for path in (ROOT / "georaster_dl/models/builtin").glob("*.safetensors")}
    assert models
    assert {Path(name).name for name in names if name.endswith(".safetensors")} == models
    constants = "georaster_dl/models/radiative_transfer/prospect"
    assert {f"{constants}.tsv.gz", f"{constants}.LICENSE"} <= set(names)
