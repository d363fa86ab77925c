"""A convolution whose weights are distributions: the Bayesian last layer of a network.

Bayes by backprop (Blundell et al. 2015): each weight is normal, with a mean and a standard deviation that are learnt
together, the latter held near that of a prior by the divergence of the two. Not the weights are sampled but the sums
that they make, pixel by pixel (local reparametrisation, Kingma et al. 2015), which has less variance.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from georaster_dl.models.contract import last_convolution

__all__ = ["BayesianConv2d", "with_bayesian_head"]

_FIRST_RHO = -5.0  # a standard deviation of 0.0067: at first nearly the plain layer
_LEAST_VARIANCE = 1e-16  # the slope of a square root is infinite at 0


class BayesianConv2d(nn.Conv2d):
    """Convolution with independent normal weights.

    It takes what ``nn.Conv2d`` takes. ``weight`` and ``bias`` are the means, and all that is used in eval mode; in
    training the output is sampled with torch's random numbers.

    Attributes
    ----------
    weight_rho, bias_rho : of the standard deviations, which are softplus(rho); ``bias_rho`` is None without a bias.
    """

    bias_rho: nn.Parameter | None

    def reset_parameters(self) -> None:
        """Set the means as a plain convolution does, and small standard deviations."""
        super().reset_parameters()
        self.weight_rho = nn.Parameter(torch.full_like(self.weight, _FIRST_RHO))
        bias_rho = None if self.bias is None else torch.full_like(self.bias, _FIRST_RHO)
        self.bias_rho = None if bias_rho is None else nn.Parameter(bias_rho)

    @classmethod
    def of(cls, plain: nn.Conv2d) -> BayesianConv2d:
        """Make the layer whose means are the weights of a convolution."""
        layer = cls(
            plain.in_channels,
            plain.out_channels,
            plain.kernel_size,  # type: ignore[arg-type]
            plain.stride,  # type: ignore[arg-type]
            plain.padding,  # type: ignore[arg-type]
            plain.dilation,  # type: ignore[arg-type]
            plain.groups,
            plain.bias is not None,
            plain.padding_mode,
        )
        layer.weight, layer.bias = plain.weight, plain.bias
        return layer

    def forward(self, image: Tensor) -> Tensor:
        """Compute the output of the means; in training a sample."""
        if not self.training:
            return super().forward(image)
        mean = super().forward(image)
        return mean + self._deviation(image) * torch.randn_like(mean)

    def sampled(self, image: Tensor, noise: Tensor) -> Tensor:
        """Compute a sample of the output.

        Parameters
        ----------
        image : (N, channels, rows, cols).
        noise : (N, planes, rows, cols) of independent standard normal numbers, of the output's shape.
        """
        return super().forward(image) + self._deviation(image) * noise

    def kl(self) -> Tensor:
        """Compute the Kullback-Leibler divergence of all weights from N(0, 1), a scalar in nats."""
        total = _divergence(self.weight, self.weight_rho)
        if self.bias is not None and self.bias_rho is not None:
            total = total + _divergence(self.bias, self.bias_rho)
        return total

    def _deviation(self, image: Tensor) -> Tensor:
        """Standard deviation of the output; squares of features may leave the range of half precision."""
        bias = None if self.bias_rho is None else functional.softplus(self.bias_rho).square()
        weight = functional.softplus(self.weight_rho).square()
        with torch.autocast(image.device.type, enabled=False):
            variance = self._conv_forward(image.to(weight.dtype).square(), weight, bias)
        deviation: Tensor = variance.clamp_min(_LEAST_VARIANCE).sqrt()
        return deviation


def _divergence(mean: Tensor, rho: Tensor) -> Tensor:
    std = functional.softplus(rho)
    total: Tensor = (std.square() + mean.square() - 1 - 2 * std.log()).sum() / 2
    return total


def with_bayesian_head(network: nn.Module) -> nn.Module:
    """Replace the last convolution of a network by a Bayesian one with the same means, in place.

    Raises
    ------
    OptionError
        When the network has no segmentation head with a convolution.
    """
    parent, _, name = last_convolution(network).rpartition(".")
    owner = network.get_submodule(parent)
    setattr(owner, name, BayesianConv2d.of(getattr(owner, name)))
    return network
