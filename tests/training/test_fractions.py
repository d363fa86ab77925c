"""Networks that learn fractions: of pixels, of polygons' pixels together, from points, rasters and finer classes."""

import geopandas
import numpy as np
import pytest
import rasterio
import torch
from shapely.geometry import Point, box
from sklearn.cross_decomposition import PLSRegression
from torch.nn import functional as F  # noqa: N812

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.file import load_model
from georaster_dl.tiling.split_blocks import TEST, TRAIN, VALIDATION
from georaster_dl.training.data.cache import CacheFolder
from georaster_dl.training.data.datasets import training_patches
from georaster_dl.training.data.labelled_scenes import is_labelled
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.training_data import load_training_data
from georaster_dl.training.loop.losses import FractionLoss
from georaster_dl.training.result.fractions import fraction_caution
from georaster_dl.training.result.linear import fit_linear_fractions
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.settings.resolve import resolve_defaults
from georaster_dl.training.train import train

NAMES = ("tree", "grass", "soil")
SHAPE = (96, 128)


# --- loss


def drawn(shape=(2, 3, 4, 5), seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator).requires_grad_()
    return logits, torch.rand(shape, generator=generator).softmax(1)


def test_of_pure_pixels_the_loss_is_cross_entropy():
    logits, _ = drawn()
    classes = torch.randint(3, (2, 4, 5), generator=torch.Generator().manual_seed(1))
    pure = F.one_hot(classes, 3).movedim(-1, 1).float()
    torch.testing.assert_close(
        FractionLoss()(logits.softmax(1), pure), F.cross_entropy(logits, classes)
    )


def test_the_loss_is_least_at_the_labels():
    _, labels = drawn()
    entropy = -(labels * labels.log()).sum(1).mean()
    torch.testing.assert_close(FractionLoss()(labels, labels), entropy)
    logits, _ = drawn(seed=3)
    assert FractionLoss()(logits.softmax(1), labels) > entropy


@pytest.mark.parametrize("per_polygon", [False, True])
def test_pixels_without_a_label_have_no_gradient(per_polygon):
    logits, labels = drawn()
    if per_polygon:
        labels = torch.cat([labels, torch.arange(20.0).reshape(1, 1, 4, 5).expand(2, 1, 4, 5)], 1)
    labels[:, :, 1] = torch.nan
    labels[0, 0, 2, 3] = torch.nan  # a single fraction that is missing
    FractionLoss(per_polygon=per_polygon)(logits.softmax(1), labels).backward()
    known = labels.isfinite().all(1)
    assert (logits.grad.movedim(1, -1)[~known] == 0).all()
    assert (logits.grad.movedim(1, -1)[known] != 0).any(-1).all()


@pytest.mark.parametrize("per_polygon", [False, True])
def test_a_batch_without_labels_costs_nothing(per_polygon):
    logits, labels = drawn()
    labels = torch.full((2, 3 + per_polygon, 4, 5), torch.nan)
    loss = FractionLoss(per_polygon=per_polygon)(logits.softmax(1), labels)
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


def test_a_certain_and_wrong_network_still_has_a_finite_loss():
    output = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)
    assert FractionLoss()(output, output.flip(1)).isfinite()


def test_polygons_are_compared_by_the_mean_of_their_pixels():
    output = torch.tensor([[1.0, 0.0, 0.8], [0.0, 1.0, 0.2]]).reshape(1, 2, 1, 3)
    labels = torch.tensor([[0.5, 0.5, 0.8], [0.5, 0.5, 0.2], [7.0, 7.0, 9.0]]).reshape(1, 3, 1, 3)
    of_polygon = {7: np.log(2), 9: -(0.8 * np.log(0.8) + 0.2 * np.log(0.2))}
    loss = FractionLoss(per_polygon=True)(output, labels)
    assert loss.item() == pytest.approx((2 * of_polygon[7] + of_polygon[9]) / 3, abs=1e-6)
    assert FractionLoss()(output, labels[:, :2]) > 5


def test_pieces_of_a_polygon_in_two_patches_are_apart():
    output = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).reshape(2, 2, 1, 1)
    labels = torch.tensor([0.5, 0.5, 3.0]).reshape(1, 3, 1, 1).expand(2, 3, 1, 1)
    fractions, _, pixels = FractionLoss(per_polygon=True).compared(output, labels)
    assert len(fractions) == 2
    assert pixels.tolist() == [1, 1]


# --- settings


def test_the_head_follows_from_the_task():
    def options(**fields):
        return resolve_defaults(TrainConfig.of(fields)).model.options

    assert options(task="fractions")["head"] == "fractions"
    assert "head" not in options(task="segmentation")
    started = {"architecture": "unet", "options": {"head": "fractions"}}
    assert options(task="segmentation", model=started)["head"] == "plain"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": {"head": "bayesian"}, "task": "fractions"}, "head='bayesian'.*leave it out"),
        ({"labels": {"fraction_fields": ["a"]}}, "fraction_fields=.*task='fractions'"),
        (
            {"labels": {"per_polygon": True}, "task": "regression"},
            "per_polygon=.*task is regression",
        ),
    ],
)
def test_settings_that_contradict_the_task_are_refused(fields, message):
    with pytest.raises(OptionError, match=message):
        resolve_defaults(TrainConfig.of(fields))


# --- a scene of mixtures


@pytest.fixture
def mixed(make_tif):
    """A scene whose pixels are mixtures of three spectra, its fractions (3, rows, cols), and its grid."""
    rng = np.random.default_rng(0)
    coarse = rng.dirichlet([0.7, 0.7, 0.7], (SHAPE[0] // 4, SHAPE[1] // 4)).transpose(2, 0, 1)
    fractions = coarse.repeat(4, axis=1).repeat(4, axis=2)
    members = np.array([[0.05, 0.1, 0.5, 0.2], [0.1, 0.3, 0.3, 0.3], [0.3, 0.2, 0.25, 0.5]])
    image = np.tensordot(members, fractions, (0, 0)) + rng.normal(0, 0.01, (4, *SHAPE))
    path = make_tif(
        image.astype(np.float32), "scene.tif", descriptions=("B02", "B03", "B08", "B11")
    )
    with rasterio.open(path) as dataset:
        return str(path), fractions, dataset.transform, dataset.crs


def points(mixed, path, count=150, **more):
    """Points in the middle of random pixels, with the fractions of the pixels."""
    _, fractions, transform, crs = mixed
    where = np.random.default_rng(1).permutation(SHAPE[0] * SHAPE[1])[:count]
    rows, cols = np.unravel_index(where, SHAPE)
    places = [Point(*(transform * (c + 0.5, r + 0.5))) for r, c in zip(rows, cols, strict=True)]
    values = dict(zip(NAMES, fractions[:, rows, cols].tolist(), strict=True))
    geopandas.GeoDataFrame({**values, **more}, geometry=places, crs=crs).to_file(path)
    return path


def polygons(mixed, path, side=6):
    """Squares all over the scene, with the mean of the fractions of their pixels."""
    _, fractions, transform, crs = mixed
    shapes, values = [], []
    for row in range(0, SHAPE[0] - side, side + 1):
        for col in range(0, SHAPE[1] - side, side + 1):
            left, top = transform * (col, row)
            right, bottom = transform * (col + side, row + side)
            shapes.append(box(left, bottom, right, top))
            values.append(fractions[:, row : row + side, col : col + side].mean(axis=(1, 2)))
    fields = dict(zip(NAMES, np.transpose(values).tolist(), strict=True))
    geopandas.GeoDataFrame(fields, geometry=shapes, crs=crs).to_file(path)
    return path


def config(**labels):
    return TrainConfig.of(
        {
            "task": "fractions",
            "labels": labels,
            "split": {"block": 12, "buffer": 0},
            "model": {"architecture": "dense_classifier"},
            "patches": {"size": 32, "per_epoch": 32},
            "augment": {"gain": 0, "band_gain": 0, "haze": 0, "offset": 0, "noise": 0, "scale": 0},
            "training": {
                "epochs": 3, "batch": 8, "workers": 0, "device": "cpu", "precision": "fp32",
                "learning_rate": 1e-2,
            },
        }
    )  # fmt: skip


def loaded(mixed, labels, folder, settings):
    cache = CacheFolder(folder / "m.safetensors").__enter__()
    told = []
    pair = SceneWithLabels(mixed[0], labels)
    return load_training_data([pair], settings, cache, told.append), told


def test_patches_hold_the_fractions_of_their_pixels(mixed, tmp_path):
    labels = points(mixed, tmp_path / "points.gpkg")
    settings = config(fraction_fields=NAMES).updated({"augment.dihedral": False})
    data, told = loaded(mixed, labels, tmp_path, settings)
    assert data.fractions == NAMES
    assert data.outputs == 3
    assert told == []
    image, target = training_patches(data)[0, 5]
    assert target.shape == (3, 32, 32)
    known = is_labelled(target)
    assert known.any()
    # The bands are a linear function of the fractions, so they tell whose label it is.
    spectra = image[:, known].T * data.scaling.std + data.scaling.mean
    members = np.array([[0.05, 0.1, 0.5, 0.2], [0.1, 0.3, 0.3, 0.3], [0.3, 0.2, 0.25, 0.5]])
    assert np.abs(spectra - target[:, known].T @ members).max() < 0.05


@pytest.mark.parametrize("scale", [0, 0.5])
def test_augmented_targets_are_fractions(mixed, tmp_path, scale):
    labels = points(mixed, tmp_path / "points.gpkg", 500)
    settings = config(fraction_fields=NAMES).updated({"augment.scale": scale})
    patches = training_patches(loaded(mixed, labels, tmp_path, settings)[0])
    for number in range(5):
        _, target = patches[1, number]
        assert target.shape == (3, 32, 32)
        assert np.allclose(target[:, is_labelled(target)].sum(axis=0), 1, atol=1e-6)


def test_a_polygon_is_in_one_part_alone(mixed, tmp_path):
    labels = polygons(mixed, tmp_path / "stands.gpkg", side=9)
    settings = config(fraction_fields=NAMES, per_polygon=True)
    data, _ = loaded(mixed, labels, tmp_path, settings)
    held = {}
    for part in (TRAIN, VALIDATION, TEST):
        reader = data.split.reader(part)
        numbers = [reader.read(w)[2][-1] for w in data.evaluation_windows(part)]
        pixels = np.concatenate([n[np.isfinite(n)] for n in numbers])
        held[part] = set(pixels.tolist())
        assert len(pixels) == data.split.labelled(part).sum()
    assert all(held.values())
    assert (
        not held[TRAIN] & held[VALIDATION]
        | held[TRAIN] & held[TEST]
        | held[VALIDATION] & held[TEST]
    )
    assert len(set.union(*held.values())) > 0.8 * len(geopandas.read_file(labels))


def test_too_few_polygons_are_refused(mixed, tmp_path):
    _, _, transform, crs = mixed
    shapes = [box(*(transform * (c, 60)), *(transform * (c + 30, 20))) for c in (5, 60)]
    path = tmp_path / "two.gpkg"
    frame = geopandas.GeoDataFrame({"tree": [0.2, 0.8]}, geometry=shapes, crs=crs)
    frame.to_file(path)
    settings = config(fraction_fields=("tree",), per_polygon=True)
    with pytest.raises(OptionError, match=r"leaves \d polygons? for (train|validation).*2 or more"):
        loaded(mixed, path, tmp_path, settings)


def test_single_pixels_cannot_be_learnt_from_polygons(mixed, tmp_path):
    labels = polygons(mixed, tmp_path / "stands.gpkg")
    settings = config(fraction_fields=NAMES, per_polygon=True).updated({"patches.size": 1})
    with pytest.raises(OptionError, match="pixels of a polygon together"):
        train([SceneWithLabels(mixed[0], labels)], tmp_path / "m.safetensors", settings)


def trained(mixed, labels, folder, settings):
    pair = SceneWithLabels(mixed[0], labels)
    return train([pair], folder / "m.safetensors", settings)


def test_points_teach_a_network_of_single_pixels(mixed, tmp_path):
    labels = points(mixed, tmp_path / "points.gpkg")
    settings = config(fraction_fields=NAMES).updated(
        {"patches.size": 1, "patches.per_epoch": 512, "training.epochs": 6}
    )
    card = trained(mixed, labels, tmp_path, settings).card
    assert card.task == "fractions"
    assert [target.name for target in card.targets] == list(NAMES)
    assert card.metrics["MAE, test"] < 0.5 * card.metrics["MAE of the training mean, test"]
    assert {f"{f} {n}, test" for f in ("MAE", "RMSE", "R2", "bias") for n in NAMES} <= set(
        card.metrics
    )
    assert card.metrics["R2 of PLS-3, test"] > 0.9  # the mixtures are linear, of three spectra
    _, network = load_model(tmp_path / "m.safetensors")
    output = network(torch.randn(1, 4, 32, 32))
    torch.testing.assert_close(output.sum(1), torch.ones(1, 32, 32))


@pytest.mark.slow
def test_polygons_teach_the_fractions_of_their_pixels(mixed, tmp_path):
    """The squares of the truth are smaller than the polygons, so only the pixels' own fractions fit all."""
    labels = polygons(mixed, tmp_path / "stands.gpkg")
    settings = config(fraction_fields=NAMES, per_polygon=True).updated(
        {"training.epochs": 12, "patches.per_epoch": 64}
    )
    trained(mixed, labels, tmp_path, settings)
    card, network = load_model(tmp_path / "m.safetensors")
    with rasterio.open(mixed[0]) as dataset:
        image = dataset.read()
    mean, std = (np.array([getattr(b, k) for b in card.bands]) for k in ("mean", "std"))
    normalised = (image - mean[:, None, None]) / std[:, None, None]
    with torch.inference_mode():
        output = network(torch.from_numpy(normalised).float()[None])[0].numpy()
    of_polygons = np.abs(mixed[1] - mixed[1].mean(axis=(1, 2), keepdims=True)).mean()
    assert np.abs(output - mixed[1]).mean() < 0.5 * of_polygons


@pytest.mark.slow
def test_rasters_and_finer_classes_teach_a_network(mixed, make_tif, tmp_path):
    path, fractions, transform, crs = mixed
    raster = make_tif(
        np.round(fractions * 250).astype(np.uint8), "fractions.tif", descriptions=NAMES,
        scales=(1 / 250,) * 3, offsets=(0,) * 3, transform=transform, crs=crs,
    )  # fmt: skip
    fine = np.zeros((SHAPE[0] * 5, SHAPE[1] * 5), np.uint8)
    draws = np.random.default_rng(2).random(fine.shape)
    below = np.cumsum(fractions, axis=0).repeat(5, axis=1).repeat(5, axis=2)
    fine[:] = 1 + (draws > below[0]) + (draws > below[1])
    classes = make_tif(fine, "classes.tif", transform=transform * transform.scale(0.2), crs=crs)
    for labels in (raster, classes):
        model = tmp_path / f"{labels.stem}.safetensors"
        settings = config().updated({"patches.size": 1, "patches.per_epoch": 512})
        card = train([SceneWithLabels(path, labels)], model, settings).card
        assert card.metrics["R2, test"] > 0.7
        assert len(card.targets) == 3


@pytest.mark.slow
def test_members_of_an_ensemble_average_fractions(mixed, tmp_path):
    labels = points(mixed, tmp_path / "points.gpkg")
    settings = config(fraction_fields=NAMES).updated(
        {"patches.size": 1, "patches.per_epoch": 512, "model.ensemble": 2}
    )
    card = trained(mixed, labels, tmp_path, settings).card
    assert card.outputs == 6
    assert card.metrics["R2, test"] > 0.5
    again = settings.updated(
        {"start.weights": str(tmp_path / "m.safetensors"), "model.ensemble": 1}
    )
    second = train([SceneWithLabels(mixed[0], labels)], tmp_path / "second.safetensors", again).card
    assert "tree" in second.training["started"] or second.metrics["R2, test"] > 0.5


# --- what the figures say


def test_the_baseline_is_partial_least_squares_on_the_simplex():
    rng = np.random.default_rng(0)
    fractions = rng.dirichlet([1, 1, 1], 80)
    spectra = fractions @ rng.normal(size=(3, 10)) + rng.normal(0, 0.3, (80, 10))
    model = fit_linear_fractions(spectra[:50], fractions[:50], (spectra[50:65], fractions[50:65]))
    pls = PLSRegression(model.components, scale=False).fit(spectra[:50], fractions[:50])
    assert np.allclose(
        spectra[65:] @ model.coefficients + model.intercept, pls.predict(spectra[65:])
    )
    predicted = model.predict(spectra[65:])
    assert np.allclose(predicted.sum(axis=1), 1)
    assert predicted.min() >= 0
    assert fit_linear_fractions(spectra[:2], fractions[:2], (spectra, fractions)) is None


def test_a_network_that_errs_more_than_a_simpler_method_says_so():
    metrics = {
        "MAE, test": 0.15,
        "MAE of PLS-4, test": 0.13,
        "MAE of the training mean, test": 0.25,
    }
    said = fraction_caution(metrics)
    assert said.startswith("PLS-4 on each pixel's own spectrum errs less")
    assert "0.13 against 0.15" in said
    assert fraction_caution(metrics | {"MAE, test": 0.12}) == ""
    assert "training mean" in fraction_caution(metrics | {"MAE of the training mean, test": 0.1})
