"""Whether the installed peft and transformers go together, as the extra `lora` has it."""

from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement


def peft_mismatch() -> str | None:
    """
    What is installed beside the bounds of the extra `lora`, in a sentence that says what to do; `None` where all is
    within, or where this package was not installed by pip.

    From 5.24 on transformers refuses the newest peft, at the end of a training; 5.17 loses what an adapter trains in
    full when it loads one.

    Example:

    ```python
    >>> from transformers_ggm.modeling.peft_versions import peft_mismatch

    >>> peft_mismatch() is None or "pip install" in peft_mismatch()
    True

    ```
    """
    try:
        requirements = [Requirement(line) for line in requires("transformers-ggm") or ()]
    except PackageNotFoundError:
        return None
    for requirement in requirements:
        if requirement.marker is None or not requirement.marker.evaluate({"extra": "lora"}):
            continue
        if requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            installed = "none"
        if installed == "none" or not requirement.specifier.contains(installed, prereleases=True):
            return (
                f"Adapters need {requirement.name}{requirement.specifier}, but {installed} is installed: "
                "pip install 'transformers-ggm[lora]'."
            )
    return None


__all__ = ["peft_mismatch"]
