"""Frames as vision backbones of different families want them."""

import torch
from transformers import PreTrainedConfig


def vision_inputs(config: PreTrainedConfig, frames: torch.Tensor) -> dict[str, torch.Tensor]:
    """
    The arguments by which a vision backbone is called. Most take the frames as they are; SigLIP 2 for pictures of any
    shape takes their patches, each as one row, and how many lie below and beside each other.

    Args:
        config (`PreTrainedConfig`): of the backbone, or of its vision tower.
        frames (`torch.FloatTensor` of shape `(n, 3, height, width)`): normalised. What is less than a patch at the
            lower and right edges is left out.

    Returns:
        `dict`: by the names of the backbone's arguments.

    Source: `convert_image_to_patches` of transformers' `Siglip2ImageProcessor`.

    Example:

    ```python
    >>> import torch
    >>> from transformers import Siglip2VisionConfig
    >>> from transformers_ggm.modeling.vision_inputs import vision_inputs

    >>> inputs = vision_inputs(Siglip2VisionConfig(patch_size=16), torch.rand(2, 3, 32, 48))
    >>> inputs["pixel_values"].shape, inputs["spatial_shapes"].tolist()
    (torch.Size([2, 6, 768]), [[2, 3], [2, 3]])

    ```
    """
    config = getattr(config, "vision_config", config)
    if config.model_type != "siglip2_vision_model":
        return {"pixel_values": frames}
    size = config.patch_size
    count, rows, columns = len(frames), frames.shape[2] // size, frames.shape[3] // size
    patches = frames[..., : rows * size, : columns * size].unflatten(3, (columns, size)).unflatten(2, (rows, size))
    patches = patches.permute(0, 2, 4, 3, 5, 1).reshape(count, rows * columns, -1)
    return {
        "pixel_values": patches,
        "pixel_attention_mask": patches.new_ones(patches.shape[:2], dtype=torch.int64),
        "spatial_shapes": torch.tensor([[rows, columns]], device=frames.device).expand(count, -1),
    }


__all__ = ["vision_inputs"]
