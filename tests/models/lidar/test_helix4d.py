"""Helix4D: exact size, and what holds whatever its weights are."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from georaster_dl.models.zoo.lidar.attention import SliceAttention, pairs_within
from georaster_dl.models.zoo.lidar.grid import CylinderGrid
from georaster_dl.models.zoo.lidar.helix4d import Helix4D, LidarSlice, Memory

HERE = torch.eye(4, dtype=torch.float64)


def some_slice(seed: int, n: int = 300, pose: torch.Tensor = HERE) -> LidarSlice:
    random = torch.Generator().manual_seed(seed)
    azimuth = torch.rand(n, generator=random).sort().values * 2 * math.pi / 5
    r = 3 + 20 * torch.rand(n, generator=random)
    z = 4 * torch.rand(n, generator=random) - 3
    xyz = torch.stack([r * azimuth.cos(), r * azimuth.sin(), z], dim=1)
    return LidarSlice(xyz, 255 * torch.rand(n, generator=random), pose)


@pytest.fixture(scope="module")
def network() -> Helix4D:
    torch.manual_seed(0)
    made = Helix4D(9, CylinderGrid())
    for module in made.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = 1.0  # statistics of one batch, so that all layers have a say
        elif isinstance(module, SliceAttention):
            nn.init.normal_(module.positions)
    with torch.no_grad():
        made([some_slice(4), some_slice(5)], [[], []])
    return made.eval()


def run(network: Helix4D, slices: list[LidarSlice], per_turn: int = 1) -> list[torch.Tensor]:
    memory, logits = Memory(per_turn), []
    with torch.no_grad():
        for one in slices:
            found, left = network([one], [memory.recall()])
            memory.keep(left[0])
            logits.append(found)
    return logits


@pytest.mark.parametrize(("classes", "parameters"), [(9, 984_080), (19, 984_730)])
def test_number_of_parameters_is_that_of_the_authors(classes: int, parameters: int) -> None:
    network = Helix4D(classes, CylinderGrid())
    assert sum(each.numel() for each in network.parameters()) == parameters


def test_later_slices_change_no_bit_of_earlier_ones(network: Helix4D) -> None:
    past = [some_slice(0), some_slice(1)]
    one, other = run(network, [*past, some_slice(2)]), run(network, [*past, some_slice(3)])
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])
    assert not torch.equal(one[2], other[2])


def test_past_turns_are_seen_and_an_empty_past_is_the_first_slice(network: Helix4D) -> None:
    first, second = some_slice(0), some_slice(1)
    alone = run(network, [second])[0]
    assert not torch.allclose(run(network, [first, second])[1], alone)
    assert torch.equal(run(network, [first, second], per_turn=2)[1], alone)


def test_the_past_is_moved_by_the_pose(network: Helix4D) -> None:
    away, turned = HERE.clone(), HERE.clone()
    away[0, 3] = 500
    angle = torch.tensor(0.3, dtype=torch.float64)
    turned[:2, :2] = torch.stack(
        [torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])]
    )
    first, second = some_slice(0), some_slice(1)
    alone = run(network, [second])[0]
    far = run(network, [some_slice(0, pose=away), second])[1]
    assert torch.allclose(far, alone, atol=1e-5)
    both_turned = [some_slice(0, pose=turned), some_slice(1, pose=turned)]
    same = run(network, both_turned)[1]
    assert torch.allclose(same, run(network, [first, second])[1], atol=1e-4)


def test_order_of_points_only_orders_their_logits(network: Helix4D) -> None:
    one = some_slice(0)
    # The first point, from which azimuths are measured, stays where it is.
    order = torch.cat([torch.zeros(1, dtype=torch.int64), 1 + torch.randperm(299)])
    other = LidarSlice(one.xyz[order], one.intensity[order], one.pose)
    assert torch.allclose(
        run(network, [other])[0], run(network, [one])[0][order], rtol=1e-4, atol=1e-4
    )


def test_slices_of_a_batch_do_not_see_each_other(network: Helix4D) -> None:
    one, other = some_slice(0), some_slice(1)
    with torch.no_grad():
        both, left = network([one, other], [[], []])
    assert torch.allclose(both[300:], run(network, [other])[0], rtol=1e-4, atol=1e-4)
    assert len(left) == 2


def test_weights_of_attention_sum_to_one() -> None:
    block = SliceAttention(128, dropout=0.1).eval()
    block.norm = nn.Identity()  # type: ignore[assignment]
    nn.init.normal_(block.positions)
    with torch.no_grad():
        block.to_key_value.weight[32:] = 0
        block.to_key_value.weight[32:, -1] = 1
        x = torch.randn(600, 128)
        x[:, -1] = 1  # every value is 1, so a weighted mean of values is, too
        positions = 30 * torch.rand(600, 3)
        near = pairs_within(positions, torch.arange(1800).view(600, 3), [(1, positions)], 6.0)
        out, _, _ = block(x, near, [(torch.randn(600, 4, 8), torch.ones(600, 4, 32))])
    assert torch.allclose(out - x, torch.ones(600, 128), atol=1e-5)


def test_voxels_attend_within_the_radius_and_to_those_that_touch() -> None:
    positions = torch.tensor([[0.0, 0, 0], [5, 0, 0], [20, 0, 0], [40, 0, 0]])
    places = torch.tensor([[0, 0, 0], [2, 0, 0], [9, 0, 0], [10, 1, 1]])
    near = pairs_within(positions, places, [(2, positions[:1])], 6.0)
    pairs = set(zip(near.query.tolist(), near.key.tolist(), strict=True))
    own = {(0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (2, 3), (3, 2), (3, 3)}
    assert pairs == own | {(0, 4), (1, 4)}
    of_the_past = near.buckets[near.key == 4]
    assert of_the_past[:, 3].tolist() == [23, 23]
    assert of_the_past[:, 0].tolist() == [3, 3 - 3]  # 0 and -5 m


def test_memory_holds_two_turns_however_long_the_sequence_is(network: Helix4D) -> None:
    memory = Memory(5)
    with torch.no_grad():
        for number in range(14):
            _, left = network([some_slice(number, n=20)], [memory.recall()])
            memory.keep(None if number == 8 else left[0])
    assert len(memory) == 10
    assert [age for age, _ in memory.recall()] == [1, 2]
    memory.keep(None)
    memory.keep(None)
    memory.keep(None)
    memory.keep(None)
    assert [age for age, _ in memory.recall()] == [1]  # the slice two turns ago was empty


@pytest.mark.parametrize("whole", [False, True])
def test_points_on_the_seam_and_at_the_sensor_have_a_place(
    network: Helix4D, *, whole: bool
) -> None:
    xyz = torch.tensor(
        [[5.0, 0, 0], [5, -1e-9, 0], [-5, 0.0, 0], [-5, -0.0, 0], [0, 0, 0], [-500, 0, 90]]
    )
    features, places = network.grid.read(xyz, torch.zeros(6), 0.0, whole=whole)
    assert features.abs().max() <= 1.1
    assert places[:, 1].max() < 270
    assert places[:, 0].tolist() == [25, 25, 25, 25, 0, 269]
    assert places[5, 2] == 35
    logits = run(network, [LidarSlice(xyz, torch.zeros(6), HERE, whole)])[0]
    assert bool(logits.isfinite().all())
