"""Sparse convolutions against dense ones."""

from __future__ import annotations

import torch
from torch.nn.functional import conv3d, conv_transpose3d

from georaster_dl.models.zoo.lidar.sparse import SparseConv, Voxels, neighbours, pool

SIZE = (6, 8, 4)


def dense(places: torch.Tensor, rows: torch.Tensor, size: tuple[int, ...] = SIZE) -> torch.Tensor:
    grid = torch.zeros(1, rows.shape[1], *size)
    grid[0][:, places[:, 1], places[:, 2], places[:, 3]] = rows.T
    return grid


def sparse(grid: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    return grid[0][:, places[:, 1], places[:, 2], places[:, 3]].T


def all_places() -> torch.Tensor:
    axes = [torch.arange(n) for n in (1, *SIZE)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 4)


def kernel(layer: SparseConv, size: tuple[int, int, int]) -> torch.Tensor:
    return layer.weight.detach().view(*size, *layer.weight.shape[1:]).permute(4, 3, 0, 1, 2)


def test_convolution_among_neighbours_is_the_dense_one_on_occupied_voxels() -> None:
    torch.manual_seed(0)
    voxels, _ = Voxels.of(all_places()[torch.rand(192) < 0.4])
    layer, rows = SparseConv(5, 7, 27, bias=False), torch.randn(len(voxels), 5)
    with torch.no_grad():
        found = layer(rows, neighbours(voxels))
    expected = conv3d(dense(voxels.places, rows), kernel(layer, (3, 3, 3)), padding=1)
    assert torch.allclose(found, sparse(expected, voxels.places), atol=1e-5)


def test_pooling_of_a_full_grid_is_the_strided_convolution_and_back_its_transpose() -> None:
    torch.manual_seed(0)
    voxels, _ = Voxels.of(all_places())
    pooled = pool(voxels, (3, 2, 2))
    down, up = SparseConv(5, 7, 12, bias=True), SparseConv(7, 5, 12, bias=True)
    rows = torch.randn(len(voxels), 5)
    with torch.no_grad():
        coarse = down(rows, pooled.pairs)
        fine = up(coarse, pooled.pairs.back())
        expected = conv3d(
            dense(voxels.places, rows), kernel(down, (3, 2, 2)), down.bias, stride=(3, 2, 2)
        )
        assert torch.allclose(coarse, sparse(expected, pooled.voxels.places), atol=1e-5)
        back = kernel(up, (3, 2, 2)).transpose(0, 1)
        expected = conv_transpose3d(expected, back, up.bias, stride=(3, 2, 2))
    assert torch.allclose(fine, sparse(expected, voxels.places), atol=1e-5)


def test_voxels_of_places_below_zero_and_of_several_grids_stay_apart() -> None:
    places = torch.tensor([[0, -1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 5, -7, 2]])
    voxels, row = Voxels.of(places)
    assert torch.equal(voxels.places[row], places)
    assert len(voxels) == 4
    pairs = neighbours(voxels)
    assert sum(pairs.counts) == 4 + 2  # each with itself, and two that touch
    assert len(pool(voxels, (3, 3, 2)).voxels) == 4
