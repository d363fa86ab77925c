"""Blocks of ground stay whole in cross-validation."""

import numpy as np

from georaster_dl.pixels.learn.folds import block_folds, spatial_blocks, stratified_folds


def places(n=500, seed=0):
    return np.random.default_rng(seed).uniform(0, 1000, (n, 2))


def test_blocks_are_squares_and_two_dozen():
    xy = places()
    blocks = spatial_blocks(xy)
    assert blocks.max() + 1 == 36  # 6 x 6, as 4 x 4 would be too few
    for block in range(36):
        assert np.ptp(xy[blocks == block], axis=0).max() <= 1000 / 6


def test_one_place_is_one_block_and_cannot_be_folded():
    blocks = spatial_blocks(np.ones((5, 2)))
    assert blocks.tolist() == [0] * 5
    assert block_folds(blocks, 5) == []


def test_no_block_is_on_both_sides_of_a_fold():
    blocks = spatial_blocks(places())
    folds = block_folds(blocks, 5)
    assert len(folds) == 5
    for learnt, measured in folds:
        assert not set(blocks[learnt]) & set(blocks[measured])
    assert sorted(np.concatenate([measured for _, measured in folds])) == list(range(500))


def test_a_class_of_one_block_is_folded_by_items():
    blocks = spatial_blocks(places())
    classes = np.where(blocks == 0, 1, 0)
    folds = stratified_folds(classes, blocks, 3, seed=0)
    assert len(folds) == 3
    assert all(len(set(classes[learnt])) == 2 for learnt, _ in folds)
    spread = np.arange(500) % 2
    assert all(
        not set(blocks[learnt]) & set(blocks[measured])
        for learnt, measured in stratified_folds(spread, blocks, 3, seed=0)
    )
