"""A U-Net with a gate over modalities in each pixel.

Each modality has a stem of its own. Attention within a pixel, over the modalities that are there,
says how much each of them has to say; the weighted sum enters the first stage of a U-Net. Nothing is pooled over
an area, so tiles are exact, and the weights are a map of which sensor decided.

An absent modality leaves the softmax: the network of the others is the same network without that stem, see
:meth:`FusionUNet.narrowed_weights`. Nothing absent is ever read or filled in.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from georaster_dl.core.modalities import modality_places
from georaster_dl.models.zoo.spectral_unet import Decoder, Stages, convolution

__all__ = ["FusionUNet", "ModalityGate"]

_KEY = 16  # numbers of a key


class FusionUNet(nn.Module):
    """U-Net that weighs modalities pixel by pixel.

    Parameters
    ----------
    modalities : of each plane of the input, in their order.
    n_classes : planes out.
    widths : channels at full resolution, half, a quarter, and so on; the stems have the first.
    decoder_dropout : share of the channels that is dropped in training, after each level of the decoder.

    Attributes
    ----------
    stride : total down-sampling; rows and cols must be multiples of it.
    reads_presence : whether it is told in training which bands are there.
    gives_weights : whether the weights of the modalities follow the logits.
    """

    reads_presence = True

    def __init__(
        self,
        modalities: Sequence[str],
        n_classes: int,
        *,
        widths: Sequence[int] = (32, 48, 64, 96),
        decoder_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stride = 2 ** (len(widths) - 1)
        self.gives_weights = False
        self.encoder = _Encoder(modalities, widths)
        self.decoder = Decoder(widths, decoder_dropout)
        self.segmentation_head = nn.Sequential(nn.Conv2d(widths[0], n_classes, 1))

    def forward(self, image: Tensor, present: Tensor | None = None) -> Tensor:
        """Logits of an image.

        Parameters
        ----------
        image : (N, bands, rows, cols) normalised values; those of an absent modality are not read.
        present : (N, bands) True where a band is there; a modality is there where any of its bands is. None where
            all are.

        Returns
        -------
        (N, classes, rows, cols), or (N, classes + modalities, rows, cols) with the weights.
        """
        levels, weights = self.encoder(image, present)
        logits: Tensor = self.segmentation_head(self.decoder(levels))
        return torch.cat([logits, weights.to(logits.dtype)], 1) if self.gives_weights else logits

    def narrowed_weights(self, present: Sequence[str]) -> dict[str, Tensor]:
        """Return the weights of the network that reads some of the modalities.

        Parameters
        ----------
        present : modalities that are there, in any order.

        Returns
        -------
        State of a ``FusionUNet`` of these modalities, equal to this network with these present.
        """
        stem = "encoder.gate.stems."
        kept = tuple(f"{stem}{_key(name)}." for name in present)
        return {
            name: tensor
            for name, tensor in self.state_dict().items()
            if not name.startswith(stem) or name.startswith(kept)
        }


class _Encoder(nn.Module):
    def __init__(self, modalities: Sequence[str], widths: Sequence[int]) -> None:
        super().__init__()
        self.in_bands = len(modalities)
        self.gate = ModalityGate(modalities, widths[0])
        self.stages = Stages(widths)

    def forward(self, image: Tensor, present: Tensor | None = None) -> tuple[list[Tensor], Tensor]:
        fused, weights = self.gate(image, present)
        return self.stages(fused), weights


class ModalityGate(nn.Module):
    """Weighted sum of the features of modalities, by attention within each pixel.

    Parameters
    ----------
    modalities : of each plane of the input, in their order.
    width : channels of each stem, and of the sum.
    """

    def __init__(self, modalities: Sequence[str], width: int) -> None:
        super().__init__()
        places = modality_places(modalities)
        # By name, so that weights find their modality in a network of others. A name may be any text.
        self.stems = nn.ModuleDict({_key(name): _Stem(own, width) for name, own in places.items()})
        self.width = width
        self.query = nn.Parameter(torch.randn(_KEY))
        self.key = nn.Linear(width, _KEY, bias=False)
        self.value = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, image: Tensor, present: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Sum (N, width, rows, cols), and the weight of each modality (N, modalities, rows, cols).

        Parameters
        ----------
        image, present : as the network takes them.
        """
        stems = [stem for stem in self.stems.values() if isinstance(stem, _Stem)]
        # q . W_k (s + tag) / 4 is one linear function of s.
        asked = self.query @ self.key.weight / _KEY**0.5
        features, scores = [], []
        for stem in stems:
            there = None if present is None else stem.there(present)
            made = stem(image, there)
            score = nn.functional.conv2d(made, asked[None, :, None, None], (stem.tag @ asked)[None])
            if there is not None:
                score = score.masked_fill(~there[:, None, None, None], -torch.inf)
            features.append(made)
            scores.append(score)
        weights = torch.cat(scores, 1).float().softmax(1)
        shares = weights.to(image.dtype)
        fused = shares[:, :1] * features[0]
        for number, each in enumerate(features[1:], 1):
            fused = fused + shares[:, number : number + 1] * each
        return self.value(fused), weights


class _Stem(nn.Module):
    """Features of a modality from its bands, and the tag by which the gate knows it."""

    places: Tensor

    def __init__(self, places: Sequence[int], width: int) -> None:
        super().__init__()
        self.register_buffer("places", torch.tensor(places), persistent=False)
        self.tag = nn.Parameter(0.02 * torch.randn(width))
        self.body = nn.Sequential(
            *convolution(len(places), width, 3), *convolution(width, width, 3)
        )

    def there(self, present: Tensor) -> Tensor:
        """Whether the modality is there, (N,), of (N, bands)."""
        return present.index_select(1, self.places).any(1)

    def forward(self, image: Tensor, there: Tensor | None) -> Tensor:
        """Features (N, width, rows, cols), 0 of images that lack the modality."""
        own = image.index_select(1, self.places)
        if there is None or bool(there.all()):
            made: Tensor = self.body(own)
            return made
        # Only images that have it enter, so statistics of BatchNorm are of these alone.
        shape = len(image), len(self.tag), *image.shape[2:]
        if not there.any():
            return image.new_zeros(shape)
        made = self.body(own[there])
        return made.new_zeros(shape).index_put((there.nonzero()[:, 0],), made)


def _key(modality: str) -> str:
    """Name of a modality's stem: names of modules have no dots, and a dictionary has attributes of its own."""
    return "of_" + modality.replace(".", "_")
