"""Arguments of `forward` that all models here treat alike, on every supported version of transformers."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from torch import nn
from transformers import PreTrainedConfig
from transformers.modeling_outputs import Seq2SeqLMOutput
from transformers.utils import TransformersKwargs
from transformers.utils.deprecation import deprecate_kwarg

# What transformers calls the keys and values of earlier steps: `cache` from 5.24 on, `past_key_values` before.
CACHE_NAME = "cache" if "cache" in {field.name for field in fields(Seq2SeqLMOutput)} else "past_key_values"

OUTPUT_FLAGS = ("output_attentions", "output_hidden_states")


def accepts_past_key_values(forward: Callable) -> Callable:
    """
    Lets a `forward` with the argument `cache` take it under its former name too: with the deprecation warning of
    transformers where that has the new name itself, and without one where `generate` uses the former.

    Example:

    ```python
    >>> from transformers_ggm.modeling.forward_arguments import accepts_past_key_values

    >>> class Decoder:
    ...     @accepts_past_key_values
    ...     def forward(self, cache=None):
    ...         return cache
    >>> Decoder().forward(cache=3)
    3

    ```
    """
    if CACHE_NAME == "cache":
        return deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")(forward)

    @functools.wraps(forward)
    def renamed(self, *args, **kwargs):
        if "past_key_values" in kwargs:
            kwargs["cache"] = kwargs.pop("past_key_values")
        return forward(self, *args, **kwargs)

    return renamed


def known_arguments(inner: Callable | None = None) -> Callable[[Callable], Callable]:
    """
    Refuses arguments of a function that neither it, nor `inner`, to which it hands on its `**kwargs`, nor
    `TransformersKwargs` names: a misspelled modality would be left out without a word, since all of them are optional.

    What is handed on stands in the signature, as arguments by name alone: `Trainer` drops the columns of a data set
    that the signature of `forward` does not name, and `generate` refuses arguments that it does not name.

    Args:
        inner (`Callable`, *optional*): the method that gets what is handed on.

    Raises:
        TypeError: by the function that comes out, as Python does for functions without `**kwargs`.

    Example:

    ```python
    >>> import inspect
    >>> from transformers_ggm.modeling.forward_arguments import known_arguments

    >>> class Encoder:
    ...     def forward(self, input_ids, frame_mask=None, **kwargs): ...
    >>> class Model:
    ...     @known_arguments(Encoder.forward)
    ...     def forward(self, input_ids, labels=None, **kwargs): ...
    >>> print(inspect.signature(Model.forward))
    (self, input_ids, labels=None, *, frame_mask=None, **kwargs)
    >>> Model().forward([1], output_attentions=True)
    >>> Model().forward([1], frames_mask=None)
    Traceback (most recent call last):
    ...
    TypeError: Model.forward() got an unexpected keyword argument 'frames_mask'

    ```
    """

    def refusing_others(function: Callable) -> Callable:
        signature = inspect.signature(function)
        *own, keywords = signature.parameters.values()
        handed_on = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in (inspect.signature(inner).parameters.items() if inner else ())
            if name not in signature.parameters
        ]
        signature = signature.replace(parameters=[*own, *handed_on, keywords])
        known = {*signature.parameters, *TransformersKwargs.__annotations__, "return_dict"}

        @functools.wraps(function)
        def checked(self, *args, **kwargs):
            for name in kwargs:
                if name not in known:
                    where = f"{type(self).__name__}.{function.__name__}()"
                    raise TypeError(f"{where} got an unexpected keyword argument {name!r}")
            return function(self, *args, **kwargs)

        checked.__signature__ = signature
        return checked

    return refusing_others


def output_flags(config: PreTrainedConfig, kwargs: Mapping[str, Any]) -> dict[str, bool]:
    """
    Whether attentions and hidden states are wanted: `output_attentions` and `output_hidden_states` of a call, else of
    the configuration. `None` in a call counts as not given, and what nobody wants is left out, so that a backbone's
    own configuration counts.

    Args:
        config (`PreTrainedConfig`): of the model that is called.
        kwargs (`dict`): of the call.

    Example:

    ```python
    >>> from transformers import PreTrainedConfig
    >>> from transformers_ggm.modeling.forward_arguments import output_flags

    >>> output_flags(PreTrainedConfig(output_hidden_states=True), {"output_hidden_states": None})
    {'output_hidden_states': True}

    ```
    """
    given = {name: kwargs[name] for name in OUTPUT_FLAGS if kwargs.get(name) is not None}
    return {name: True for name in OUTPUT_FLAGS if getattr(config, name)} | given


def known_flags(backbone: nn.Module, flags: Mapping[str, bool]) -> dict[str, bool]:
    """Those of the [`output_flags`] that a backbone has an argument for: convolutions have no attentions."""
    parameters = inspect.signature(backbone.forward).parameters
    takes_all = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    return {name: value for name, value in flags.items() if takes_all or name in parameters}


__all__ = [
    "CACHE_NAME",
    "accepts_past_key_values",
    "known_arguments",
    "known_flags",
    "output_flags",
]
