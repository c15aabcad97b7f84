"""Frames that are worth a pass of the vision tower: padding is not, nor is one that repeats the frame before it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from transformers.utils import ModelOutput

from .backbones import blank_where_masked

# About a clip's: the activations of more frames no longer fit into a CPU's cache. Per frame, ViT-B/32 takes a quarter
# longer in passes of 120 than of 15, ViT-B/16 a seventh longer in passes of 60.
FRAMES_AT_A_TIME = 16


@dataclass(frozen=True)
class DistinctFrames:
    """
    The frames of a batch of videos that a vision tower has to see, and which of them each frame is.

    Attributes:
        pixel_values (`torch.Tensor` of shape `(distinct, 3, height, width)`): these frames, at least one.
        shape (`tuple[int, int]`): rows and frames of the batch.
        places (`torch.Tensor` of shape `(rows * frames,)`, *optional*): for each frame of the batch the index of
            its duplicate in `pixel_values`; `None` where these are all frames, in their order.
        frame_mask (`torch.Tensor` of shape `(rows, frames)`, *optional*): 0 on frames that were not encoded; `None`
            where all were.

    Example:

    ```python
    >>> import torch
    >>> from transformers.modeling_outputs import BaseModelOutput
    >>> from transformers_ggm.modeling.frame_deduplication import DistinctFrames

    >>> dark, light = torch.zeros(3, 4, 4), torch.ones(3, 4, 4)
    >>> videos = torch.stack([torch.stack([dark, dark, light]), torch.stack([light, dark, dark])])
    >>> mask = torch.tensor([[1, 1, 1], [1, 0, 0]])
    >>> frames = DistinctFrames.of(videos, mask, torch.nn.Identity().eval())
    >>> frames.pixel_values.mean(dim=(1, 2, 3)).tolist()  # those of the first video, the one of the second
    [0.0, 1.0, 1.0]
    >>> sums = frames.encoded_by(lambda pixels: BaseModelOutput(last_hidden_state=pixels.sum(dim=(1, 2, 3))))
    >>> sums.last_hidden_state.tolist()
    [[0.0, 0.0, 48.0], [48.0, 0.0, 0.0]]

    ```
    """

    pixel_values: torch.Tensor
    shape: tuple[int, int]
    places: torch.Tensor | None = None
    frame_mask: torch.Tensor | None = None

    @classmethod
    def of(
        cls, pixel_values_videos: torch.Tensor, frame_mask: torch.Tensor | None, tower: nn.Module
    ) -> "DistinctFrames":
        """
        Leaves out padding and every frame that is bit for bit the one before it: stills with sound, slideshows, frozen
        screens.

        In training mode dropout makes two passes over one frame differ and batch normalisation counts every frame, and
        where a graph is captured (`torch.export`, `torch.compile`) its shapes must not hang on what is seen: then all
        frames are kept, padding as blanks.

        Args:
            pixel_values_videos (`torch.Tensor` of shape `(rows, frames, 3, height, width)`).
            frame_mask (`torch.Tensor` of shape `(rows, frames)`, *optional*): 1 on frames, 0 on padding, whose content
                is ignored.
            tower (`nn.Module`): the vision encoder that is to encode them.
        """
        shape = tuple(pixel_values_videos.shape[:2])
        if tower.training or torch.compiler.is_compiling():
            return cls(blank_where_masked(pixel_values_videos, frame_mask).flatten(0, 1), shape)
        needed = _needed(pixel_values_videos, frame_mask).flatten()
        index = needed.nonzero().flatten()
        frames = pixel_values_videos.flatten(0, 1)
        if len(index) == len(needed):
            return cls(frames, shape)
        # A tower wants one frame at least, also of a batch that has none.
        frames = frames.index_select(0, index) if len(index) else torch.zeros_like(frames[:1])
        return cls(frames, shape, (needed.cumsum(0) - 1).clamp(min=0), frame_mask)

    def encoded_by(self, encode: Callable[[torch.Tensor], ModelOutput]) -> ModelOutput:
        """
        What a tower makes of the frames. On CPUs, where no gradients are kept, it sees a few at a time, which takes
        less time and memory.

        Args:
            encode (`Callable`): gets frames of shape `(distinct, 3, height, width)` and gives an output of
                transformers, whose tensors, and tuples of tensors, are of shape `(distinct, ...)`.

        Returns:
            `ModelOutput`: the same kind of output with those of all frames, see [`DistinctFrames.spread`].
        """
        in_blocks = (
            self.pixel_values.device.type == "cpu"
            and not torch.is_grad_enabled()
            and not torch.compiler.is_compiling()
        )
        blocks = self.pixel_values.split(FRAMES_AT_A_TIME) if in_blocks else [self.pixel_values]
        outputs = [encode(block) for block in blocks]
        joined = {name: self._join([output[name] for output in outputs]) for name in outputs[0]}
        return type(outputs[0])(**joined)

    def _join(self, parts: list) -> torch.Tensor | tuple | None:
        if parts[0] is None:
            # Of layers whose states were not asked for.
            return None
        if isinstance(parts[0], tuple):
            return tuple(self._join(list(of_layer)) for of_layer in zip(*parts))
        return self.spread(torch.cat(parts))

    def spread(self, states: torch.Tensor) -> torch.Tensor:
        """
        What the tower made of `pixel_values`, `(distinct, ...)`, as that of all frames, `(rows, frames, ...)`; zeros
        for padding that the tower did not see.
        """
        if self.places is not None:
            states = states.index_select(0, self.places.to(states.device))
        states = states.view(*self.shape, *states.shape[1:])
        return blank_where_masked(states, None if self.frame_mask is None else self.frame_mask.to(states.device))


def _needed(videos: torch.Tensor, frame_mask: torch.Tensor | None) -> torch.Tensor:
    """Which frames, (rows, frames), are neither padding nor the same as the one before them."""
    is_frame = torch.ones(videos.shape[:2], dtype=torch.bool, device=videos.device)
    if frame_mask is not None:
        is_frame = (frame_mask != 0).to(videos.device)
    repeats = (videos[:, 1:] == videos[:, :-1]).flatten(2).all(dim=-1) & is_frame[:, 1:] & is_frame[:, :-1]
    return is_frame & ~nn.functional.pad(repeats, (1, 0))
