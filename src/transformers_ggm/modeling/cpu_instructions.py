"""What a CPU can do, so that kernels that lack it are not chosen."""

import torch


def onednn_has(*names: str) -> bool:
    """
    Whether PyTorch was built with oneDNN, whose kernels are chosen by instructions, and this CPU has one of
    these.

    Args:
        names (`str`): keys of `torch.cpu.get_capabilities()`, such as `"avx512_vnni"`.

    Example:

    ```python
    >>> from transformers_ggm.modeling.cpu_instructions import onednn_has

    >>> onednn_has("none of these")
    False

    ```
    """
    capabilities = torch.cpu.get_capabilities()
    return torch.backends.mkldnn.is_available() and any(capabilities.get(name, False) for name in names)


__all__ = ["onednn_has"]
