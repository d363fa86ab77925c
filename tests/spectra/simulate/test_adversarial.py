import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from georaster_dl.spectra.simulate.adversarial.losses import LOSSES, gradient_penalty
from georaster_dl.spectra.simulate.adversarial.networks import Critic, Generator
from georaster_dl.spectra.simulate.adversarial.training import (
    Recipe,
    make_vectors,
    train_generator,
)

WASSERSTEIN = LOSSES["wasserstein"]


def linear_critic(norm: float, values: int = 12):
    weights = torch.randn(values, generator=torch.Generator().manual_seed(0))
    weights *= norm / weights.norm()
    return lambda vectors, conditions: vectors @ weights


def batch(n: int = 16, values: int = 12, seed: int = 0) -> Tensor:
    return torch.randn(n, values, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("norm", "penalty"), [(1, 0), (3, 40), (0.5, 2.5)])
def test_a_linear_critic_pays_ten_times_the_square_of_its_norm_less_one(norm, penalty):
    paid = WASSERSTEIN.penalty * gradient_penalty(linear_critic(norm), batch(), torch.ones(16, 1))
    assert paid.item() == pytest.approx(penalty, abs=1e-4)


def test_the_loss_of_a_critic_of_equal_batches_is_its_penalty():
    torch.manual_seed(0)
    critic, conditions, shares = Critic(12, 2), torch.randn(16, 2), torch.rand(16, 1)
    loss = WASSERSTEIN.critic_loss(critic, batch(), batch(), conditions, shares)
    penalty = 10 * gradient_penalty(critic, batch(), conditions)
    assert loss.item() == pytest.approx(penalty.item(), rel=1e-6)
    assert penalty.item() > 0.1


def test_the_penalty_is_taken_between_the_real_and_the_made_vector():
    seen = []

    def critic(vectors: Tensor, conditions: Tensor) -> Tensor:
        seen.append(vectors)
        return vectors.sum(dim=1)

    real, made, shares = batch(), batch(seed=1), torch.rand(16, 1)
    WASSERSTEIN.critic_loss(critic, real, made, torch.ones(16, 1), shares)
    torch.testing.assert_close(seen[-1], made + shares * (real - made))


def test_the_penalty_moves_the_critic_towards_gradients_of_norm_1():
    torch.manual_seed(0)
    critic, conditions = Critic(12, 1), torch.ones(16, 1)
    optimiser = torch.optim.Adam(critic.parameters(), lr=1e-2)
    first = gradient_penalty(critic, batch(), conditions).item()
    for _ in range(50):
        optimiser.zero_grad()
        gradient_penalty(critic, batch(), conditions).backward()
        optimiser.step()
    assert gradient_penalty(critic, batch(), conditions).item() < first / 10


def test_the_original_losses_are_cross_entropies_of_real_and_made():
    judged = torch.tensor([-2.0, 0.0, 3.0])
    real = torch.nn.functional.binary_cross_entropy_with_logits(judged, torch.ones(3))
    made = torch.nn.functional.binary_cross_entropy_with_logits(judged, torch.zeros(3))
    original = LOSSES["original"]
    torch.testing.assert_close(original.of_critic(judged, judged), real + made)
    torch.testing.assert_close(original.of_generator(judged), real)


def test_no_network_looks_at_the_other_vectors_of_a_batch():
    torch.manual_seed(0)
    generator, critic = Generator(5, 2), Critic(5, 2)
    noise, conditions = torch.randn(8, 64), torch.randn(8, 2)
    together = generator(noise, conditions)
    torch.testing.assert_close(generator(noise[:1], conditions[:1]), together[:1])
    torch.testing.assert_close(
        critic(together[:1], conditions[:1]), critic(together, conditions)[:1]
    )


def test_the_networks_have_the_published_sizes():
    def weights(network: torch.nn.Module) -> int:
        return sum(weight.numel() for weight in network.parameters())

    condition = 4 * 16
    assert weights(Generator(200, 4)) == 95_560 + condition
    assert weights(Critic(200, 4)) == 88_577 + condition


@pytest.mark.parametrize("loss", LOSSES)
def test_the_seed_decides_everything_and_the_callers_own_random_numbers_stay(loss):
    vectors, conditions = batch(40), torch.ones(40, 1)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (
        make_vectors(
            train_generator(vectors, conditions, Recipe(LOSSES[loss], 20), seed), conditions, 0
        )
        for seed in (1, 1, 2)
    )
    torch.testing.assert_close(torch.rand(3), expected)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_steps_are_logged_up_to_the_last():
    logged = []
    train_generator(
        batch(40), torch.ones(40, 1), Recipe(steps=150), 0, lambda step, loss: logged.append(step)
    )
    assert logged == [100, 150]


@pytest.mark.slow
def test_a_generator_drops_at_most_one_of_eight_modes():
    points, centres = ring(2000, torch.Generator().manual_seed(0))
    conditions = torch.ones(2000, 1)
    # As of the published toy, whose points are less far apart than the penalty's gradient allows.
    loss = replace(WASSERSTEIN, penalty=0.1)
    recipe = Recipe(loss, steps=2500, learning_rate=5e-4)
    made = make_vectors(train_generator(points, conditions, recipe, 0), conditions, 1)
    distances, nearest = torch.cdist(made, centres).min(dim=1)
    hits = torch.bincount(nearest[distances < 0.2], minlength=8)
    # A mode is hit by a fifth of its share or more within 4 standard deviations: it tells modes that were dropped, but a
    # circle without gaps hits all, too.
    assert (hits > 2000 / 8 / 5).sum() >= 7


def ring(n: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw points of eight normal distributions on a circle, and the centres (8, 2)."""
    turns = torch.arange(8) * math.tau / 8
    centres = 1.4 * torch.stack([turns.cos(), turns.sin()], dim=1)
    chosen = torch.randint(8, (n,), generator=random)
    return centres[chosen] + 0.05 * torch.randn(n, 2, generator=random), centres
