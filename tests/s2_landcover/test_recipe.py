"""The recipe of s2-landcover: what its labels, its loss and its canvases promise."""

import types

import numpy as np
import pytest
import torch


def test_a_partial_label_asks_for_the_sum_of_its_classes(recipe, sets):
    torch.manual_seed(0)
    logits = torch.randn(2, len(sets.CLASSES), 3, 3)
    shares = logits.softmax(dim=1)
    label = torch.full((2, 3, 3), sets.TREE | sets.GRASS | sets.CROP)
    label[0, 0, 0] = sets.WATER
    label[1, 2, 2] = 0
    loss = recipe.partial_loss(logits, label)
    assert loss[0, 1, 1].item() == pytest.approx(-shares[0, :3, 1, 1].sum().log().item(), rel=1e-4)
    assert loss[0, 0, 0].item() == pytest.approx(-shares[0, 5, 0, 0].log().item(), rel=1e-4)
    assert loss[1, 2, 2].item() == 0


def test_a_partial_label_of_one_class_is_the_cross_entropy(recipe, sets):
    torch.manual_seed(0)
    logits, classes = torch.randn(1, len(sets.CLASSES), 8, 8), torch.arange(8).repeat(1, 8, 1)
    expected = torch.nn.functional.cross_entropy(logits, classes, reduction="none")
    torch.testing.assert_close(recipe.partial_loss(logits, 1 << classes), expected)


def test_bands_taken_away_leave_what_the_model_needs(canvases, sets):
    rng = np.random.default_rng(0)
    full = np.ones(len(sets.BANDS), bool)
    seen = {tuple(canvases._taken_away(rng, full)) for _ in range(300)}
    assert len(seen) > 50
    for present in seen:
        bands = {name for name, there in zip(sets.BANDS, present, strict=True) if there}
        assert {"B03", "B04"} <= bands
        assert bands & {"B08", "B8A"}


def test_bands_that_a_set_lacks_never_appear(canvases, sets):
    rng = np.random.default_rng(0)
    few = np.array([name in ("B05", "B06", "B8A", "B11") for name in sets.BANDS])
    for _ in range(100):
        present = canvases._taken_away(rng, few)
        assert present.any()
        assert not (present & ~few).any()


def made_piece(sets, side, bits, *, top_of_atmosphere=False, absent=()):
    rng = np.random.default_rng(side)
    present = np.array([band not in absent for band in sets.BANDS])
    image = rng.uniform(0.05, 0.4, (len(sets.BANDS), side, side)).astype(np.float32)
    image[~present] = 0
    label = np.full((side, side), bits, np.uint16)
    return sets.Piece(image, present, label, np.ones((side, side), bool), top_of_atmosphere)


def test_canvases_hold_what_the_pieces_hold(canvases, sets):
    """Absent bands are 0, labels come from the pieces or the weather, weights sum to 1."""
    sides = {"world": 80, "Ireland": 80, "Slovenia": 40, "Tokyo": 8, "WorldCereal": 32}
    sources = {
        name: [
            [
                made_piece(sets, side, bits, absent=("B01",) if name == "Tokyo" else ())
                for bits in (sets.WATER, sets.GREEN)
            ]
        ]
        for name, side in sides.items()
    }
    scaling = canvases.Scaling.of(sources)
    soils = np.full((3, len(sets.BANDS)), 0.4, np.float32)
    batches = iter(canvases.Canvases(sources, scaling, soils, seed=1))
    seen = set()
    for _ in range(6):
        batch = next(batches)
        assert batch.image.shape == (canvases.BATCH, len(sets.BANDS), 64, 64)
        assert not batch.image[~batch.present].any()
        assert batch.image[batch.present].any(dim=(1, 2)).all()
        assert batch.weight.sum(dim=(1, 2)).max() < 1.001
        assert (batch.weight[batch.label == 0] == 0).all()
        seen |= set(batch.label.unique().tolist())
    assert {sets.WATER, sets.GREEN, sets.CLOUD, sets.SNOW} <= seen
    assert not seen & {sets.BUILT, sets.TREE, sets.CROP}


def test_a_shrunk_piece_has_the_means_and_every_class_of_its_parts(canvases, sets):
    piece = made_piece(sets, 6, sets.WATER)
    piece.label[0, 0] = sets.TREE
    piece.label[4, 4] = 0
    made = canvases.shrunk(piece, 2)
    expected = piece.image[:, 2:4, 2:4].mean(axis=(1, 2))
    np.testing.assert_allclose(made.image[:, 1, 1], expected, rtol=1e-5)
    assert made.label.tolist() == [
        [sets.TREE | sets.WATER, sets.WATER, sets.WATER],
        [sets.WATER] * 3,
        [sets.WATER, sets.WATER, 0],
    ]


def test_a_network_goes_on_from_saved_weights_and_their_scaling(recipe, sets, tmp_path):
    """Places left out have no say in the scaling either, because the base has seen no place."""
    soils = np.full((3, len(sets.BANDS)), 0.4, np.float32)
    piece = made_piece(sets, 64, sets.WATER)
    chip = types.SimpleNamespace(place="there", fold=0, piece=made_piece(sets, 96, sets.TREE))
    lesson = recipe.Lesson({"Ireland": [piece]}, [chip], soils)
    assert set(lesson.sources) == {"Ireland", "world"}
    assert set(lesson.base.sources) == set(lesson.without(0).sources) == {"Ireland"}
    base, scaling = recipe.train(lesson.base, steps=2, seed=0)
    recipe.save(base, scaling, tmp_path / "base.pt")
    further, same = recipe.train(lesson, steps=2, seed=0, start=tmp_path / "base.pt")
    np.testing.assert_array_equal(same.mean, scaling.mean)
    fresh, other = recipe.train(lesson, steps=2, seed=0)
    assert (other.mean != scaling.mean).any()

    def distance(network):
        pairs = zip(network.parameters(), base.parameters(), strict=True)
        return sum(float((a - b).detach().square().sum()) for a, b in pairs)

    assert 0 < distance(further) < distance(fresh)


def test_rare_classes_lose_half_of_their_weight_again(recipe, canvases, sets):
    torch.manual_seed(0)
    network = recipe.build().eval()
    image = torch.randn(1, len(sets.BANDS), 16, 16)
    before = network(image)
    recipe.adjust_logits(network)
    changed = (network(image) - before).mean(dim=(0, 2, 3))
    for c in range(len(sets.CLASSES)):
        weight = canvases.CLASS_WEIGHTS.get(1 << c, 1.0)
        assert changed[c].item() == pytest.approx(-0.5 * np.log(weight), abs=1e-4)


@pytest.fixture
def weather(light, sets):
    return light.Weather(0, 64, np.full((2, len(sets.BANDS)), 0.5, np.float32))


def test_weather_covers_the_ground_and_says_so(weather, sets):
    """Snow is bright and dark in the short-wave infrared, clouds are bright in both."""
    image = torch.full((60, len(sets.BANDS), 64, 64), 0.1)
    label = torch.full((60, 64, 64), sets.GRASS)
    seen, labels = weather.change(image, label, torch.zeros(60, dtype=torch.bool))
    assert (image == 0.1).all()
    green, swir = seen[:, sets.BANDS.index("B03")], seen[:, sets.BANDS.index("B11")]
    snow, cloud, same = (labels == bits for bits in (sets.SNOW, sets.CLOUD, sets.GRASS))
    assert min(m.float().mean() for m in (snow, cloud)) > 0.01
    assert same.float().mean() > 0.4
    assert green[snow].mean() > green[same].mean() + 0.2
    assert swir[snow].mean() < 0.12
    assert swir[cloud].mean() > swir[same].mean() + 0.1


def test_weather_never_calls_unknown_ground_anything_but_covered(weather, sets):
    image = torch.full((60, len(sets.BANDS), 64, 64), 0.1)
    label = torch.zeros((60, 64, 64), dtype=torch.int64)
    _, labels = weather.change(image, label, torch.ones(60, dtype=torch.bool))
    assert {0, sets.CLOUD, sets.SNOW} <= set(labels.unique().tolist())
    assert not (labels & ~(sets.CLOUD | sets.SNOW | sets.SHADOW)).any()


def test_the_veil_taken_off_is_the_one_put_on(light, sets):
    ground = torch.full((50, len(sets.BANDS), 2, 2), 0.2)
    path, passed = light.PATH[None, :, None, None], light.PASSED[None, :, None, None]
    seen = passed * ground + path
    found = light.Weather(1, 2, np.zeros((1, 12), np.float32))._without_veil(seen)
    torch.testing.assert_close(found.mean(dim=0), ground[0], atol=0.02, rtol=0.1)
