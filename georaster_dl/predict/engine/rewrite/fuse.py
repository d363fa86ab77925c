"""Fusion of convolutions with the operations around them, for processors.

A network is run once on a small image and its operations are recorded. Whatever the architecture,
among them are found

- a convolution, the sum with a skip connection after it, and the activation after that: one oneDNN
  primitive, whose weights are laid out in advance;
- a nearest up-sampling by 2 before a 3 x 3 convolution, alone or concatenated with other channels:
  both together are a transposed convolution of 4 x 4 with stride 2, so neither the up-sampled nor
  the concatenated tensor is ever made, and 4 products do for 9.

All else runs as it was recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.utils._pytree import tree_map

from georaster_dl.predict.engine.rewrite.program import Program, Step, Value
from georaster_dl.predict.engine.rewrite.random import RANDOM, in_place
from georaster_dl.predict.engine.rewrite.record import Like, NotRecordableError, Recorder

__all__ = ["record_fused"]

_aten, _onednn = torch.ops.aten, torch.ops.mkldnn
_AFTER_SUMS: dict[Any, str] = {_aten.relu.default: "relu"}
_ACTIVATIONS = {**_AFTER_SUMS, _aten.silu.default: "swish"}
_UPSAMPLING = _aten.upsample_nearest2d.vec, _aten.upsample_bilinear2d.vec
# What gives a tensor of its own, and reads its arguments only: their memory may be taken once nobody needs it.
_CACHED = 2**18  # numbers that are added at a time
_PLAIN = {_aten.conv2d.default, _aten.max_pool2d.default, _aten.add.Tensor, *_ACTIVATIONS}


def record_fused(network: nn.Module, image: Tensor, another: Tensor) -> Program | None:
    """Record a network in eval mode and fuse its convolutions with their neighbours.

    Parameters
    ----------
    image, another : (1, bands, rows, cols) of two sizes to run it on, in the precision (autocast) of
        the moment.

    Returns
    -------
    None where nothing can be fused, or the network is no fixed list of operations: it does other
    things with the other image, or with a number that follows from the size. What depends on layers
    of :mod:`random` is a pass of its own, which takes nothing of its fixed surroundings in.
    """
    try:
        with torch.inference_mode():
            recorder, result = _recorded(network, image)
            other, its_result = _recorded(network, another)
            steps, again = (
                [_of_any_size(step, each.likes) for step in each.steps]
                for each in (recorder, other)
            )
            if result != its_result or list(map(_outline, steps)) != list(map(_outline, again)):
                return None
            found = _without_norms(Steps(steps, recorder.likes, result), recorder)
            found = _without_upsampling(found, recorder)
            random = _random(found.steps)
            steps = _lighter(_fused(found, random), random, result)
    except NotRecordableError:
        return None
    if not any(isinstance(step.op, Fused | UpsamplingFused) for step in steps):
        return None
    return Program(_needed(steps, result), result, random)


def _recorded(network: nn.Module, image: Tensor) -> tuple[Recorder, int]:
    """Record a network; its recorder, and the number of its output."""
    recorder = Recorder(image)
    with recorder:
        made = network(image)
    return recorder, recorder.value(made)


def _outline(step: Step) -> tuple[object, ...]:
    """A step with the mere shapes of its constants, to be compared."""

    def outline(leaf: object) -> object:
        return leaf.shape if isinstance(leaf, Tensor) else leaf

    return step.op, step.out, *(str(tree_map(outline, part)) for part in (step.args, step.kwargs))


@dataclass(frozen=True)
class Convolved:
    """Arguments of a recorded convolution."""

    image: Value
    weight: Tensor
    bias: Tensor | None
    stride: list[int]
    padding: list[int]
    dilation: list[int]
    groups: int

    @classmethod
    def of(cls, step: Step) -> Convolved | None:
        """Read them; None where the step is no convolution of images with constant weights."""
        defaults = (None, None, None, [1, 1], [0, 0], [1, 1], 1)
        if step.op is not _aten.conv2d.default or step.kwargs:
            return None
        args = (*step.args, *defaults[len(step.args) :])
        image, *weights = (isinstance(each, Value) for each in args[:3])
        return cls(*args) if image and not any(weights) else None

    @property
    def geometry(self) -> tuple[list[int], list[int], list[int], int]:
        """Stride, padding, dilation and groups."""
        return self.stride, self.padding, self.dilation, self.groups

    @property
    def keeps_size_with_3_x_3(self) -> bool:
        """Whether each pixel is made of the 3 x 3 around it."""
        numbers = *self.weight.shape[2:], *self.stride, *self.padding, *self.dilation, self.groups
        return numbers == (3, 3, 1, 1, 1, 1, 1, 1, 1)


class Fused:
    """A convolution, in oneDNN's layout of weights, and the activation after it.

    With ``added``, another tensor is added before the activation; where ``overwrites``, the result
    takes its memory.
    """

    def __init__(self, args: Convolved) -> None:
        self._bias = args.bias
        self._geometry = args.padding, args.stride, args.dilation, args.groups
        self._weight = _onednn._reorder_convolution_weight(args.weight, *self._geometry)
        self.activation = "none"
        self.overwrites = False

    def __call__(self, image: Tensor, added: Tensor | None = None) -> Tensor:
        weights = self._weight, self._bias, *self._geometry
        made: Tensor
        if added is None:
            made = _onednn._convolution_pointwise(image, *weights, self.activation, [], "")
            return made
        then = None if self.activation == "none" else self.activation
        sum_of: tuple[Any, ...] = (*weights, "add", 1.0, then, [], None)
        if self.overwrites:
            made = _onednn._convolution_pointwise_.binary(added, image, *sum_of)
        else:
            made = _onednn._convolution_pointwise.binary(image, added, *sum_of)
        return made


class UpsamplingFused:
    """Nearest up-sampling by 2 and a 3 x 3 convolution, as one transposed convolution."""

    # Padding, padding of the output, stride, dilation, groups.
    _GEOMETRY = [1, 1], [0, 0], [2, 2], [1, 1], 1

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> None:
        # An odd pixel sees its own coarse pixel through two of three taps and the next one through the third.
        for axis in (2, 3):
            before, here, after = weight.unbind(axis)
            weight = torch.stack([after, here + after, before + here, before], axis)
        weight = weight.transpose(0, 1).contiguous().to(dtype)
        self._weight = _onednn._reorder_convolution_transpose_weight(weight, *self._GEOMETRY)
        self._bias = bias
        self.activation = "none"

    def __call__(self, image: Tensor) -> Tensor:
        made: Tensor = _onednn._convolution_transpose_pointwise(
            image, self._weight, self._bias, *self._GEOMETRY, self.activation, [], ""
        )
        return made


class Steps:
    """Steps of an unfinished program, with makers, users, shapes and types of its values."""

    def __init__(self, steps: Iterable[Step], likes: Sequence[Like], result: int) -> None:
        self.steps = list(steps)
        self.likes = list(likes)
        self.result = result
        self._at = {step.out: at for at, step in enumerate(self.steps)}
        self._users: dict[int, list[Step]] = {}
        for step in self.steps:
            for number in step.reads:
                self._users.setdefault(number, []).append(step)

    def maker(self, value: Value) -> Step | None:
        """Find the step that makes a value; None for the input."""
        at = self._at.get(value.number)
        return None if at is None else self.steps[at]

    def only_user(self, number: int) -> Step | None:
        """Find the one step that reads a value; None where there are more, or it is the output."""
        users = self._users.get(number, [])
        return users[0] if len(users) == 1 and number != self.result else None

    def is_made_before(self, value: Value, step: Step) -> bool:
        """Whether a value is there when a step runs."""
        return self._at.get(value.number, -1) < self._at[step.out]

    def is_free_after(self, value: Value, step: Step, then: Step) -> bool:
        """Whether a value has memory of its own that nothing needs after ``step`` but ``then``."""
        maker = self.maker(value)
        others = [user for user in self._users[value.number] if user is not then]
        return (
            maker is not None
            and value.number != self.result
            and all(_has_own_memory(each) for each in (maker, *others))
            and all(self._at[user.out] < self._at[step.out] for user in others)
        )


def _has_own_memory(step: Step) -> bool:
    return step.op in _PLAIN or isinstance(step.op, Fused | UpsamplingFused)


def _of_any_size(step: Step, likes: Sequence[Like]) -> Step:
    """Up-sample by a factor where a step does so to the size that a skip connection had."""
    if step.op not in _UPSAMPLING or step.args[1] is None:
        return step
    (image, size), shape = step.args[:2], likes[step.args[0].number].shape[2:]
    if any(wanted % there for wanted, there in zip(size, shape, strict=True)):
        return step
    factors = [float(wanted // there) for wanted, there in zip(size, shape, strict=True)]
    args = (image, None, *step.args[2:-1], factors)
    return replace(step, args=args)


def _without_norms(found: Steps, recorder: Recorder) -> Steps:
    """Fold batch normalisation with the statistics of training into the convolution before it."""
    steps: list[Step] = []
    folded: set[int] = set()
    for step in found.steps:
        if step.out in folded:
            continue
        conv, norm = Convolved.of(step), found.only_user(step.out)
        if conv is None or norm is None or norm.op is not _aten.batch_norm.default:
            steps.append(step)
            continue
        gain, offset, mean, variance, training, _momentum, eps = norm.args[1:8]
        if training or any(isinstance(each, Value) for each in norm.args[1:5]):
            steps.append(step)
            continue
        bias = None if conv.bias is None else recorder.uncast(conv.bias)
        fused = fuse_conv_bn_weights(
            recorder.uncast(conv.weight), bias, mean, variance, eps, gain, offset
        )
        constants = (each.to(conv.weight.dtype) for each in fused)
        steps.append(Step(step.op, (conv.image, *constants, *conv.geometry), norm.out))
        folded.add(norm.out)
    return Steps(steps, found.likes, found.result)


def _without_upsampling(found: Steps, recorder: Recorder) -> Steps:
    """Replace nearest up-sampling by 2 before 3 x 3 convolutions by transposed convolutions."""
    steps: list[Step] = []
    likes = found.likes

    def new(like: Like) -> Value:
        likes.append(like)
        return Value(len(likes) - 1)

    for step in found.steps:
        conv = Convolved.of(step)
        parts = [] if conv is None else _concatenated(found, conv.image)
        doubled = [_doubled(found.maker(part)) for part in parts]
        which = next((i for i, coarse in enumerate(doubled) if coarse is not None), None)
        if conv is None or which is None or not conv.keeps_size_with_3_x_3:
            steps.append(step)
            continue
        sizes = [likes[part.number].shape[1] for part in parts]
        first, last = sum(sizes[:which]), sum(sizes[: which + 1])
        weight = recorder.uncast(conv.weight)[:, first:last]
        rest = parts[:which] + parts[which + 1 :]
        bias = None if rest else conv.bias
        upsampling = UpsamplingFused(weight, bias, conv.weight.dtype)
        like = likes[step.out]
        if not rest:
            steps.append(Step(upsampling, (doubled[which],), step.out))
            continue
        of_coarse, of_rest, image = new(like), new(like), rest[0]
        steps.append(Step(upsampling, (doubled[which],), of_coarse.number))
        if len(rest) > 1:
            image = new(like)
            steps.append(Step(_aten.cat.default, (rest, 1), image.number))
        weight = torch.cat([conv.weight[:, :first], conv.weight[:, last:]], 1)
        same_size = [1, 1], [1, 1], [1, 1], 1
        steps += [
            Step(_aten.conv2d.default, (image, weight, conv.bias, *same_size), of_rest.number),
            Step(_aten.add.Tensor, (of_rest, of_coarse), step.out),
        ]
    return Steps(steps, likes, found.result)


def _concatenated(found: Steps, image: Value) -> list[Value]:
    """The values whose channels an image has beside each other; itself where there is but one."""
    maker = found.maker(image)
    if maker is None or maker.op is not _aten.cat.default or maker.args[1:] != (1,):
        return [image]
    parts = list(maker.args[0])
    return parts if all(isinstance(part, Value) for part in parts) else [image]


def _doubled(step: Step | None) -> Value | None:
    """The coarse image of which a step is the nearest up-sampling by 2; None for another step."""
    if step is None or step.op is not _aten.upsample_nearest2d.vec:
        return None
    image, size, factors = step.args
    return image if size is None and factors == [2.0, 2.0] else None


def _random(steps: Iterable[Step]) -> set[int]:
    """Find the values that differ from pass to pass."""
    random: set[int] = set()
    for step in steps:
        if step.op is RANDOM or step.reads & random:
            random.add(step.out)
    return random


def _lighter(steps: Sequence[Step], random: Set[int], result: int) -> list[Step]:
    """Join a sum that was not fused with the ReLU after it, and mask in place where that is possible.

    Only of the steps of each pass, which are run many times.
    """
    users = Counter(number for step in steps for number in step.reads)
    made: dict[int, Step] = {}
    for step in steps:
        first = made.get(min(step.reads, default=-1))
        alone = first is not None and users[first.out] == 1 and first.out != result
        if first is not None and alone and first.out in random:
            if step.op is _aten.relu.default and first.op is _aten.add.Tensor and not first.kwargs:
                step = Step(_add_relu, first.args, step.out)  # noqa: PLW2901
                del made[first.out]
            elif step.op is RANDOM and (_has_own_memory(first) or first.op in (_add_relu, RANDOM)):
                step = replace(step, op=in_place)  # noqa: PLW2901
        made[step.out] = step
    return list(made.values())


def _add_relu(first: Tensor, second: Tensor) -> Tensor:
    """Add and rectify, some rows at a time, which stay in the processor's cache."""
    made = torch.empty_like(first)
    step = max(_CACHED // (first[0, :, 0].numel()), 1)
    for row in range(0, first.shape[2], step):
        rows = slice(row, row + step)
        torch.add(first[:, :, rows], second[:, :, rows], out=made[:, :, rows]).relu_()
    return made


def _fused(found: Steps, random: Set[int]) -> list[Step]:
    """Fuse sums and activations into the convolutions before them.

    Parameters
    ----------
    random : values that differ from pass to pass; only what is like it in that is fused with a step.
    """

    def next_alike(number: int) -> Step | None:
        then = found.only_user(number)
        alike = then is not None and (then.out in random) == (number in random)
        return then if alike else None

    steps: list[Step] = []
    done: set[int] = set()
    for step in found.steps:
        if step.out in done:
            continue
        conv = Convolved.of(step)
        op = step.op if conv is None else Fused(conv)
        if not isinstance(op, Fused | UpsamplingFused):
            steps.append(step)
            continue
        args, out = step.args[:1], step.out
        then = next_alike(out)
        if isinstance(op, Fused) and then is not None:
            added = _added(found, step, then)
            if added is not None:
                # What all passes read must not be overwritten in one of them.
                alike = (added.number in random) == (out in random)
                op.overwrites = alike and found.is_free_after(added, step, then)
                args, out = (*args, added), then.out
                done.add(out)
                then = next_alike(out)
        # oneDNN has no other activation after a sum than ReLU.
        activations = _ACTIVATIONS if len(args) == 1 else _AFTER_SUMS
        activation = None if then is None else activations.get(then.op)
        if then is not None and activation is not None:
            op.activation, out = activation, then.out
            done.add(out)
        steps.append(Step(op, args, out))
    return steps


def _added(found: Steps, step: Step, then: Step) -> Value | None:
    """The value that ``then`` adds to that of ``step``, if it is of one size and there already."""
    if then.op is not _aten.add.Tensor or then.kwargs:
        return None
    first, second = then.args
    if not isinstance(first, Value) or not isinstance(second, Value) or first == second:
        return None
    other = second if first.number == step.out else first
    alike = found.likes[other.number] == found.likes[step.out]
    return other if alike and found.is_made_before(other, step) else None


def _needed(steps: Sequence[Step], result: int) -> list[Step]:
    """Leave out the steps on which the result does not depend."""
    needed, kept = {result}, []
    for step in reversed(steps):
        if step.out in needed:
            needed |= step.reads
            kept.append(step)
    return kept[::-1]
