"""Rules of the house that no linter knows: circles, sizes of rooms, packages, docstrings, dependencies."""

import re
import runpy
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import house

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LIBRARY = house.read_modules(ROOT, ["georaster_dl"])
EVERYTHING = house.read_modules(ROOT, list(house.PACKAGES))

MOST_MODULES = 12  # of a folder, ``__init__`` included

# Packages whose import has another name.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "odc": "odc-geo",
    "pydantic_core": "pydantic",
    "rio_stac": "rio-stac",
    "segmentation_models_pytorch": "segmentation-models-pytorch",
    "sklearn": "scikit-learn",
    "tomli_w": "tomli-w",
}
OF_QGIS = {"qgis", "processing"}
IMPORTED_BY_OTHERS = {  # distribution: by whom
    "mlflow": "lightning, to log to it",
    "netcdf4": "xarray, to read NetCDF",
    "openpyxl": "pandas, to read Excel's files",
    "pyarrow": "pandas, to read Parquet",
    "tensorboard": "lightning, to write its logs",
    "wandb": "lightning, to log to it",
    "zarr": "xarray, to read Zarr",
}


def test_no_module_imports_itself_through_others():
    assert house.circles(house.import_graph(EVERYTHING, late=True)) == []


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert house.circles(graph) == [["b", "c"]]


def test_no_folder_of_the_library_holds_too_many_modules():
    counts = house.modules_by_folder(LIBRARY)
    assert {str(path): n for path, n in counts.items() if n > MOST_MODULES} == {}


def test_packages_are_the_folders_that_exist():
    folders = {module.package for module in EVERYTHING}
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(folders)


def test_first_lines_of_docstrings_name_their_subject():
    vague = [
        f"{module.path.relative_to(ROOT)}:{number}: {line}"
        for module in EVERYTHING
        for number, line in house.vague_first_lines(module)
    ]
    assert vague == []


@pytest.mark.parametrize(
    ("line", "vague"),
    [
        ("What a scene is told.", True),
        ("The one that is laid over.", True),
        ("Read one band.", False),
        ("Compare a map with ground truth.", False),
    ],
)
def test_vague_words(tmp_path, line, vague):
    path = tmp_path / "m.py"
    path.write_text(f'"""{line}"""\n')
    assert bool(house.vague_first_lines(house.Module("m", path))) == vague


def declared():
    project = PROJECT["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return {canonicalize_name(Requirement(text).name) for lines in lists for text in lines}


def imported():
    names = {name.split(".")[0] for module in EVERYTHING for name in module.imports(late=True)}
    names -= set(sys.stdlib_module_names) | set(house.PACKAGES) | OF_QGIS
    return {canonicalize_name(DISTRIBUTIONS.get(name, name)) for name in names}


def test_what_is_imported_is_declared():
    assert imported() - declared() == set()


def test_what_is_declared_is_imported():
    development = {
        canonicalize_name(Requirement(text).name)
        for extra in ("dev", "docs")
        for text in PROJECT["project"]["optional-dependencies"][extra]
    }
    unused = declared() - development - imported()
    assert unused == set(IMPORTED_BY_OTHERS)


def test_the_page_on_design_names_every_package():
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \|(.*)", page, re.MULTILINE)
    named = set()
    for package, text in rows:
        named |= {package, *(f"{package}.{name}" for name in re.findall(r"`(\w+)`", text))}
    library = {module.package for module in LIBRARY}
    depth = {name: name.count(".") for name in library}
    assert {name for name in library if 1 <= depth[name] <= 2} - named == set()


def test_the_page_of_modules_is_current():
    page = runpy.run_path(str(ROOT / "docs" / "modules.py"))
    message = "docs/modules.md is not what the docstrings say; run python docs/modules.py"
    assert page["PAGE"].read_text(encoding="utf-8") == page["page"](), message


def test_the_page_on_design_names_no_file_that_is_gone():
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    paths = re.findall(r"`([\w/]+\.(?:py|toml|html))`", page)
    assert paths
    places = (ROOT, ROOT / "georaster_dl", ROOT / "georaster_dl_qgis")
    gone = [path for path in paths if not any((place / path).exists() for place in places)]
    assert gone == []
