"""The pipeline: short videos in, hashtags with scores out."""

import copy
import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, overload

import torch
from transformers import Pipeline, PreTrainedModel
from transformers.utils import logging

from ..errors import CheckpointError, InputError
from ..generation.hashtag_scores import hashtag_scores, token_log_probs
from ..generation.search_selection import search_arguments
from ..generation.stopping_criteria import HashtagLimit
from ..generation.token_tree import ScoredSequences
from ..modeling import GGMEncoderOutput, HashtagRetriever
from ..modeling.int8_quantization import quantize_parts
from ..processing import GGMProcessor, HashtagRetrieverProcessor
from ..retrieval import HashtagPool
from ..retrieval.nearest import scored_nearest_hashtags
from ..utils.checkpoint_layout import CONFIGURATIONS, POOL_FOLDER, RETRIEVER_FOLDER
from ..utils.files import atomic_folder
from .components import Checkpoint, GuidanceParts
from .dtype_selection import check_savable, choose_type, unrounded
from .generate_arguments import MODEL_ARGUMENTS, RESERVED, check_known, check_top_k, with_one_length
from .inputs import load_item, read_fields
from .items import Items, as_items, is_list, with_descriptions
from .numbers import check_numbers
from .prefetching import PreprocessedItem, PreprocessedItems, Suggestions
from .shared_vision import shares_vision

logger = logging.get_logger(__name__)

_ON_ERROR = ("raise", "skip")


class HashtagGenerationPipeline(Pipeline):
    """Suggests hashtags for short videos.

    ```python
    >>> from transformers import pipeline
    >>> import transformers_ggm

    >>> suggest = pipeline("hashtag-generation")  # model="path-or-hub-id" for another one than the bundled
    >>> answer = suggest({"description": "first snow in toronto"}, top_n=1)  # with a clip: "video": "clip.mp4"
    >>> sorted(answer[0])
    ['guided', 'hashtag', 'novel', 'score']
    >>> len(suggest([{"description": "first snow"}, {"description": "lake life"}], batch_size=2))
    2

    ```

    A clip is decoded once. The retriever finds the pool's hashtags nearest to it (to its description, or to both, for
    a retriever trained so), which the model sees beside the description (Yu et al., ACL 2023, figure 2). Each hashtag
    comes with

    - `hashtag` (`str`): lower case, with `#`;
    - `score` (`float`): the exponential of the mean log-probability of its own tokens in the best sequence, by the
      model itself, whatever the way of decoding;
    - `novel` (`bool`): whether it is not in the pool; `None` where the pipeline has no pool;
    - `guided` (`bool`): whether it was among the retrieved ones that the model saw.

    `model` may be the folder or Hub id of an adapter (peft): the model that it changes is loaded too, from where the
    adapter's configuration says. Of the other parts, those that lie beside the adapter are taken, else its base's.

    Several threads may call one pipeline at once: each gets what it would get alone.

    `skipped` lists what the last call left out with `on_error="skip"`, as pairs of the item's path (else its number)
    and the reason; of calls at the same time, the one that began last. `retriever`, `retriever_processor` and
    `hashtag_pool` can be used and changed: a hashtag added by `suggest.add_hashtags(["newtrend"])` is known to the
    next call.

    Without a `dtype`, `pipeline` computes in bfloat16 where the model has ten million weights or more and the
    CPU or GPU computes in it, else in float32; `dtype="float32"` refuses. A model that is passed as an object
    keeps its type.

    Args:
        model ([`GGMForHashtagGeneration`]): The generator.
        processor ([`GGMProcessor`] or `str`, *optional*): Its processor, or a folder or Hub id of it. Defaults to the
            one of the checkpoint that was named as `model`.
        retriever ([`HashtagRetriever`] or `str`, *optional*): The retriever, or its folder or Hub id. Defaults to the
            folder `retriever` of the checkpoint that was named as `model`, on the Hub at the same commit. One that is
            given is moved to the model's device and type.
        retriever_processor ([`HashtagRetrieverProcessor`], *optional*): Defaults to the one saved with the retriever.
        hashtag_pool ([`HashtagPool`] or `str`, *optional*): The pool, or its folder or Hub id. Defaults to the folder
            `hashtag_pool` of that checkpoint.
        int8 (`bool`, defaults to `False`): Whether the matrices of generator and retriever are rounded to eight bits,
            on a CPU that has int8 dot products. It is faster, and the hashtags can differ; such a pipeline cannot
            be saved.
        local_files_only (`bool`, defaults to `False`): Whether nothing may be downloaded.
        **kwargs: Those of [`~transformers.Pipeline`] (`device`, `batch_size`, `num_workers`, ...) and, as defaults for
            all calls, those of [`~HashtagGenerationPipeline.__call__`]. With `num_guidance=0` neither retriever nor
            pool are needed.

    Raises:
        `CheckpointError`: The retriever or the pool is missing and there is to be guidance.
        `RetrieverMismatchError`: The pool was made by another retriever.
        `InputError`: An argument is not known, or the model cannot take eight bits here.
    """

    # Loaded below: what transformers would take for an adapter is the processor of its base.
    _load_processor = False
    _load_tokenizer = False
    _load_feature_extractor = False
    _load_image_processor = False
    _load_video_processor = False
    model: PreTrainedModel
    processor: GGMProcessor
    # Decoding arguments go to `generate` as they are. What the base class does with them differs between versions.
    _pipeline_calls_generate = False

    def __init__(
        self,
        model: PreTrainedModel,
        processor: GGMProcessor | str | Path | None = None,
        *,
        retriever: HashtagRetriever | str | Path | None = None,
        retriever_processor: HashtagRetrieverProcessor | None = None,
        hashtag_pool: HashtagPool | str | Path | None = None,
        int8: bool = False,
        local_files_only: bool = False,
        **kwargs,
    ):
        check_numbers(batch_size=kwargs.get("batch_size"), num_workers=kwargs.get("num_workers"))
        checkpoint = Checkpoint.of(model, local_files_only)
        if processor is None:
            processor = checkpoint.processor()
        elif isinstance(processor, (str, os.PathLike)):
            processor = GGMProcessor.from_pretrained(processor, local_files_only=local_files_only)
        if not isinstance(processor, GGMProcessor):
            raise InputError(f"`processor` is a {type(processor).__name__}: pass the model's GGMProcessor.")
        self.skipped: list[tuple[str, str]] = []
        dtype = kwargs.get("dtype")
        super().__init__(model, processor=processor, **kwargs)
        self._is_rounded = choose_type(self.model, self.device, dtype)
        self.model.eval()
        for name in MODEL_ARGUMENTS:
            self.processor.tokenizer.init_kwargs.pop(name, None)
        parts = GuidanceParts(
            self.model,
            checkpoint,
            self.device,
            wanted=self._forward_params.get("num_guidance", self.processor.num_guidance) > 0,
            retriever=retriever,
            retriever_processor=retriever_processor,
            hashtag_pool=hashtag_pool,
            local_files_only=local_files_only,
        )
        self.retriever, self.retriever_processor, self._hashtag_pool = parts.retriever, parts.processor, parts.pool
        self._shares_vision = shares_vision(self.model, self.processor, self.retriever, self.retriever_processor)
        if int8:
            quantize_parts(self.model, self.retriever)

    @property
    def hashtag_pool(self) -> HashtagPool | None:
        """The hashtags that guidance is taken from. Another one must have been made by the same retriever."""
        return self._hashtag_pool

    @hashtag_pool.setter
    def hashtag_pool(self, pool: HashtagPool) -> None:
        if self.retriever is not None:
            pool.check_retriever(self.retriever)
        self._hashtag_pool = pool

    @overload
    def __call__(
        self, inputs: str | os.PathLike | bytes | dict[str, Any], *, return_guidance: Literal[True], **kwargs
    ) -> dict[str, Any]: ...

    @overload
    def __call__(self, inputs: str | os.PathLike | bytes | dict[str, Any], **kwargs) -> list[dict[str, Any]]: ...

    @overload
    def __call__(self, inputs: list[Any] | tuple[Any, ...], **kwargs) -> list[list[dict[str, Any]]]: ...

    @overload
    def __call__(self, inputs: Any, **kwargs) -> Any: ...

    def __call__(self, inputs, **kwargs) -> list[dict[str, Any]] | list[list[dict[str, Any]]] | Iterator:
        """Suggests hashtags.

        Args:
            inputs: An item, a list of items (or a tuple, a view of a dict, an array or Series of paths, a column of
                `datasets`, rows of pandas or pyarrow), or a generator, data loader or dataset of items (`datasets` or
                torch). An item is a clip (path, URL, bytes, file object, [`Media`], frames as an array (f, h, w, 3)
                uint8, a decoder of torchcodec), or a dict with

                - `video`: a clip, `None` or missing for words alone;
                - `description` (`str`): the author's words, may be missing; hashtags in them are not used;
                - `audio`: sound to be used instead of the clip's own: a waveform (n,) or (channels, n) or a file;
                - `sampling_rate` (`int`): of the waveform, in Hz.
            description (`str` or `list[str]`, *optional*): The words for items without any; beside a list of items, a
                list of as many.
            top_n (`int`, *optional*): How many hashtags at most. Defaults to all that the model writes.
            max_hashtags (`int`, *optional*): After how many hashtags the model stops writing. That is quicker than
                `top_n`, and not the same: it gives those that are written first, which need not be the surest.
            num_guidance (`int`, *optional*): How many retrieved hashtags the model sees, up to the processor's
                `num_guidance`, which is the default; 0 switches guidance off.
            on_error (`str`, defaults to `"raise"`): `"skip"` gives `[]` for an item that cannot be read, warns, and
                lists it in `skipped`.
            blank_video (`bool`, defaults to `True`): Whether an item with sound but no picture (a file of sound, too)
                gets one black frame: the model hears through what it sees.
            hashtag_pool ([`HashtagPool`], *optional*): The pool for this call alone, made by the same retriever, such
                as one user's own [`~HashtagPool.copy`]. Calls of several threads do not mix theirs.
            return_guidance (`bool`, defaults to `False`): Whether to tell what was retrieved, too.
            batch_size (`int`, defaults to 1): Items at a time.
            num_workers (`int`, defaults to 0): Processes that decode the next items, a batch and a few ahead, while
                the model works. A generator is read by a thread then.
            generate_kwargs (`dict`, *optional*): Arguments of `generate`. Those of `GenerationConfig` (`num_beams`,
                `max_new_tokens`, `do_sample`, ...) can be given directly; `top_k` needs `do_sample=True`. With
                `num_return_sequences` the hashtags of all sequences are merged, each with its best score.

        Returns:
            `list[dict]` for an item, best score first; a list of such lists for a list and its like; an iterator over
            them for a generator or dataset, whose `close()` ends the workers. With `return_guidance`, a `dict` in the
            place of each `list[dict]`: `hashtags` is that list, and `guidance` the retrieved hashtags that the model
            saw, nearest first, each a `dict` with `hashtag` (`str`, with `#`) and `score` (`float`, cosine similarity
            to the clip).

        Raises:
            `MediaError`: A clip cannot be read.
            `InputError`: An item gives nothing to go by, or an argument is unknown or out of range.
            `RetrieverMismatchError`: `hashtag_pool` was made by another retriever.
        """
        check_numbers(batch_size=kwargs.get("batch_size"), num_workers=kwargs.get("num_workers"))
        items = as_items(inputs)
        if is_list(kwargs.get("description")):
            items = with_descriptions(items, kwargs.pop("description"))
        if isinstance(items, list) and not items:
            self.skipped = []
            return []
        found = super().__call__(items, **kwargs)
        return list(found) if isinstance(items, Items) and items.is_sequence else found

    def run_single(self, inputs, preprocess_params, forward_params, postprocess_params):
        return next(iter(self.get_iterator([inputs], 0, 1, preprocess_params, forward_params, postprocess_params)))

    def get_iterator(
        self, inputs, num_workers: int, batch_size: int, preprocess_params, forward_params, postprocess_params
    ) -> Suggestions:
        """As in the base class, but a batch has lists: videos of unequal length cannot be joined there."""
        check_top_k(forward_params, self.model.generation_config)
        num_guidance = forward_params.get("num_guidance", self.processor.num_guidance)
        pool = forward_params.get("hashtag_pool", self.hashtag_pool)
        if num_guidance and (self.retriever is None or pool is None):
            raise CheckpointError(
                "This pipeline was made without retriever or hashtag pool: call it with num_guidance=0, or make it"
                " anew without num_guidance=0."
            )
        # One pool for all of the call, also when the pipeline is given another one while an iterator is read.
        forward_params = {**forward_params, "num_guidance": num_guidance, "hashtag_pool": pool}
        on_error = forward_params.pop("on_error", "raise")
        # Not looked up as attributes later, so that iterators and threads of several calls do not count together.
        skipped, positions = [], itertools.count()
        self.skipped = skipped
        is_dict = postprocess_params.get("return_guidance")

        def answer(batch: list[PreprocessedItem]) -> Iterator:
            for item, position in zip(batch, positions):
                if item.error is not None:
                    _report(item, position, on_error, skipped)
            readable = [item.inputs for item in batch if item.error is None]
            outputs = _rows(self.forward(_as_lists(readable), **forward_params)) if readable else iter(())
            for item in batch:
                if item.error is None:
                    yield self.postprocess(next(outputs), **postprocess_params)
                else:
                    yield {"hashtags": [], "guidance": []} if is_dict else []

        preprocessor = self._without_models() if num_workers else self
        preprocess = partial(preprocessor.preprocess, **preprocess_params)
        return Suggestions(PreprocessedItems(inputs, preprocess, num_workers, batch_size), answer, batch_size)

    def _without_models(self) -> "HashtagGenerationPipeline":
        """A copy to be sent to worker processes: of the models it has the configurations alone, and it has no pool."""
        copied = copy.copy(self)
        copied.model = SimpleNamespace(config=self.model.config)
        copied.retriever = None if self.retriever is None else SimpleNamespace(config=self.retriever.config)
        copied._hashtag_pool, copied._forward_params = None, {}
        return copied

    def get_inference_context(self):
        return torch.inference_mode

    def _sanitize_parameters(
        self,
        description: str | None = None,
        top_n: int | None = None,
        max_hashtags: int | None = None,
        on_error: str | None = None,
        num_guidance: int | None = None,
        blank_video: bool | None = None,
        hashtag_pool: HashtagPool | None = None,
        return_guidance: bool | None = None,
        generate_kwargs: Mapping[str, Any] | None = None,
        **decoding,
    ) -> tuple[dict, dict, dict]:
        check_known(decoding)
        decoding = {**(generate_kwargs or {}), **decoding}
        if reserved := sorted(RESERVED & set(decoding)):
            raise InputError(f"{', '.join(reserved)}: the pipeline makes these from the items itself; leave them out.")
        if description is not None and not isinstance(description, str):
            raise InputError(
                f"`description` is a {type(description).__name__}: pass one string for all items, a list of strings"
                ' beside a list of items, or items of the form {"video": ..., "description": ...}.'
            )
        if on_error is not None and on_error not in _ON_ERROR:
            raise InputError(f"on_error={on_error!r}: use one of {', '.join(map(repr, _ON_ERROR))}.")
        check_numbers(
            {"num_guidance": self.processor.num_guidance},
            top_n=top_n,
            max_hashtags=max_hashtags,
            num_guidance=num_guidance,
            **decoding,
        )
        if max_hashtags is not None:
            limit = HashtagLimit(self.processor.tokenizer, max_hashtags)
            decoding["stopping_criteria"] = [*(decoding.get("stopping_criteria") or ()), limit]
        self._check_pool(hashtag_pool)
        preprocess = {
            "description": description,
            "blank_video": blank_video,
            "guided": None if num_guidance is None else num_guidance > 0,
        }
        forward = {"on_error": on_error, "num_guidance": num_guidance, "hashtag_pool": hashtag_pool}
        postprocess = {"top_n": top_n, "return_guidance": return_guidance}
        return _given(preprocess), _given(forward) | decoding, _given(postprocess)

    def _check_pool(self, pool: HashtagPool | None) -> None:
        if pool is None:
            return
        if not isinstance(pool, HashtagPool):
            raise InputError(f"`hashtag_pool` is a {type(pool).__name__}: a call takes a HashtagPool that is loaded.")
        own = self.hashtag_pool
        # Hashing a large retriever takes a second: a copy of the pipeline's pool is known to fit.
        if self.retriever is not None and (own is None or pool.retriever_fingerprint != own.retriever_fingerprint):
            pool.check_retriever(self.retriever)

    def preprocess(
        self, input_: Any, description: str = "", blank_video: bool = True, guided: bool = True
    ) -> dict[str, Any]:
        """Decodes an item, once for both models.

        With `num_workers`, processes call it on copies of the pipeline that have no pool and of `model` and
        `retriever` the configurations alone. A `MediaError` or `InputError` counts as an item that cannot be read, see
        `on_error`; any other error is raised.

        Returns:
            `dict` with `frames` and `retriever_frames` (f, 3, h, w) uint8 and `input_features` (...) float32, each
            `None` where there is none, and `description` (`str`).
        """
        sees = guided and self.retriever is not None and self.retriever.config.query_reads_video
        retriever_video_processor = self.retriever_processor.video_processor if sees else None
        fields = read_fields(input_, description)
        return load_item(fields, self.processor, retriever_video_processor, blank_video)

    def _forward(
        self,
        model_inputs: dict[str, list],
        num_guidance: int | None = None,
        hashtag_pool: HashtagPool | None = None,
        **decoding,
    ) -> dict[str, list]:
        """Suggests hashtags for a batch.

        Args:
            model_inputs (`dict[str, list]`): Of each field that `preprocess` gives a list with one entry per item.

        Returns:
            `dict[str, list]`: `sequences` (r, m) int64 and their `log_probs` (r, m) float32, `guidance` (`dict` from
            the hashtags seen to their similarities) and the `hashtag_pool`, each with one entry per item, of which
            `postprocess` gets one.
        """
        if num_guidance is None:
            num_guidance = self.processor.num_guidance
        if hashtag_pool is None:
            hashtag_pool = self.hashtag_pool
        outputs = self._generate(model_inputs, num_guidance, hashtag_pool, decoding)
        return {**outputs, "hashtag_pool": [hashtag_pool] * len(outputs["guidance"])}

    def postprocess(
        self, model_outputs: dict[str, Any], top_n: int | None = None, return_guidance: bool = False
    ) -> list[dict[str, Any]] | dict[str, list[dict[str, Any]]]:
        """Reads the hashtags of one item from what the model wrote."""
        guidance, pool = model_outputs["guidance"], model_outputs["hashtag_pool"]
        scores = hashtag_scores(self.processor, model_outputs["sequences"], model_outputs["log_probs"])
        hashtags = [
            {
                "hashtag": f"#{tag}",
                "score": score,
                "novel": None if pool is None else tag not in pool,
                "guided": tag in guidance,
            }
            for tag, score in itertools.islice(scores.items(), top_n)
        ]
        if not return_guidance:
            return hashtags
        seen = [{"hashtag": f"#{tag}", "score": score} for tag, score in guidance.items()]
        return {"hashtags": hashtags, "guidance": seen}

    def _generate(
        self, rows: dict[str, list], num_guidance: int, pool: HashtagPool | None, decoding: Mapping[str, Any]
    ) -> dict[str, list]:
        """One batch: guidance, one pass of the encoders, decoding, and the probabilities of what was written."""
        words = rows["description"]
        media, guidance = self._encode_media(rows["frames"], rows["input_features"]), [{} for _ in words]
        if num_guidance:
            guidance = self._find_guidance(rows["retriever_frames"], words, media, num_guidance, pool)
        shown = [list(of_row) for of_row in guidance]
        texts = self.processor(text=words, guidance=shown, allow_empty=True)
        inputs = {**texts.to(self.device), **media}
        encoded = self.model.get_encoder()(**inputs, return_dict=True)
        states, mask, ids = encoded.last_hidden_state, encoded.attention_mask, inputs["input_ids"]
        search = search_arguments(self.model, self.processor.tokenizer, shown, decoding)
        written = self.model.generate(
            input_ids=ids,
            attention_mask=inputs["attention_mask"],
            # A new object, since `generate` repeats the states in it for every beam.
            encoder_outputs=GGMEncoderOutput(states, attention_mask=mask, source_ids=ids),
            **search | with_one_length(decoding),
        )
        sequences = written if torch.is_tensor(written) else written.sequences
        repeats = len(sequences) // len(words)
        if isinstance(written, ScoredSequences):
            log_probs = written.log_probs
        else:
            mask = inputs["attention_mask"] if mask is None else mask
            states, mask, ids = (tensor.repeat_interleave(repeats, dim=0) for tensor in (states, mask, ids))
            log_probs = token_log_probs(self.model, states, mask, sequences, ids)
        return {
            "sequences": list(sequences.split(repeats)),
            "log_probs": list(log_probs.split(repeats)),
            "guidance": [self._seen(tags, description) for tags, description in zip(guidance, words)],
        }

    def _find_guidance(
        self,
        frames: list[torch.Tensor | None],
        descriptions: list[str],
        media: dict[str, torch.Tensor],
        num_guidance: int,
        pool: HashtagPool,
    ) -> list[dict[str, float]]:
        """
        The nearest hashtags of each row with their similarities. Where the retriever sees for the generator too, the
        frames in `media` become what it saw.
        """
        video_embeds = None
        if self._shares_vision and "pixel_values_videos" in media:
            seen = self.retriever.get_video_features(media.pop("pixel_values_videos"), media["frame_mask"])
            video_embeds, media["video_states"] = seen.pooler_output, seen.last_hidden_state
        found = scored_nearest_hashtags(
            frames, descriptions, self.retriever, self.retriever_processor, pool, num_guidance, video_embeds
        )
        return [dict(of_row) for of_row in found]

    def _encode_media(
        self, frames: list[torch.Tensor | None], input_features: list[torch.Tensor | None]
    ) -> dict[str, torch.Tensor]:
        """The tensors of frames and sounds; empty where no row has frames, since the model hears through what it
        sees."""
        if all(video is None for video in frames):
            return {}
        as_they_are = {"do_resize": False, "do_center_crop": False}
        batch = self.processor(videos=frames, input_features=input_features, allow_empty=True, **as_they_are)
        texts = ("input_ids", "attention_mask")
        return {name: tensor.to(self.device) for name, tensor in batch.items() if name not in texts}

    def _seen(self, guidance: dict[str, float], description: str) -> dict[str, float]:
        """The retrieved hashtags, with their similarities, that were not left out for want of room."""
        return {tag: guidance[tag] for tag in self.processor.fitting_guidance(description, list(guidance))}

    def add_hashtags(self, hashtags: Iterable[str] | Mapping[str, int]) -> None:
        """Adds hashtags to the pool: the next call can be guided by them. Those that are there are counted once more.
        Other threads may call the pipeline meanwhile; on any error the pool stays as it was.

        Args:
            hashtags (`Iterable[str]` or `Mapping[str, int]`): With or without `#`, or a mapping of hashtags to counts.

        Raises:
            `CheckpointError`: The pipeline has no retriever or no pool.
            `HashtagError`: Some are no hashtags; the message names them.

        Example:

        ```python
        >>> from transformers import pipeline
        >>> import transformers_ggm

        >>> suggest = pipeline("hashtag-generation")
        >>> suggest.add_hashtags(["#WorldCup2026"])
        >>> "worldcup2026" in suggest.hashtag_pool
        True

        ```
        """
        self._own_pool("retriever").add(hashtags, self.retriever, self.retriever_processor, progress_bar=False)

    def remove_hashtags(self, hashtags: Iterable[str]) -> None:
        """Removes hashtags from the pool, given with or without `#`. The model may still write them, as new ones.

        Args:
            hashtags (`Iterable[str]`): All of them in the pool.

        Raises:
            `CheckpointError`: The pipeline has no pool.
            `PoolError`: Some are not in the pool, or none would be left; nothing is removed.
        """
        self._own_pool().remove(hashtags)

    def _own_pool(self, *needed: str) -> HashtagPool:
        missing = [name for name in (*needed, "hashtag_pool") if getattr(self, name) is None]
        if missing:
            raise CheckpointError(
                f"This pipeline has no {' and no '.join(missing)}: make it anew with"
                f" {' and '.join(f'{name}=' for name in missing)}, or without num_guidance=0."
            )
        return self.hashtag_pool

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs) -> None:
        """
        Saves the whole checkpoint: model, processor and, where the pipeline has them, `retriever/` and
        `hashtag_pool/`. `pipeline("hashtag-generation", model=save_directory)` loads it again. Other files in the
        folder stay. What the pipeline rounded to bfloat16 by itself is saved as the checkpoint has it.

        Args:
            save_directory (`str` or `os.PathLike`): Made where it does not exist.
            **kwargs: Those of `PreTrainedModel.save_pretrained`, for the generator.

        Raises:
            `CheckpointError`: `save_directory` is a file, the checkpoint that was rounded is gone, or
                the model was quantised to what cannot be saved.
        """
        target = Path(save_directory)
        if target.is_file():
            raise CheckpointError(f"{target} is a file: a checkpoint is saved as a folder, give another name.")
        check_savable(self.model)
        target.mkdir(parents=True, exist_ok=True)
        model, retriever = self.model, self.retriever
        if self._is_rounded:
            model, retriever = (None if part is None else unrounded(part) for part in (model, retriever))
        if retriever is not None:
            with atomic_folder(target / RETRIEVER_FOLDER) as folder:
                retriever.save_pretrained(folder)
                self.retriever_processor.save_pretrained(folder)
        if self.hashtag_pool is not None:
            self.hashtag_pool.save_pretrained(target / POOL_FOLDER, create_model_card=False)
        with tempfile.TemporaryDirectory(dir=target, prefix=".partial-") as folder:
            model.save_pretrained(folder, **kwargs)
            self.processor.save_pretrained(folder)
            # The configuration, of the model or of an adapter, without which nothing is loaded, comes last.
            for file in sorted(Path(folder).iterdir(), key=lambda file: file.name in CONFIGURATIONS):
                os.replace(file, target / file.name)


def _as_lists(rows: Sequence[Mapping[str, Any]]) -> dict[str, list]:
    """What `preprocess` gave for each item of a batch, as `_forward` takes it."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def _rows(outputs: Mapping[str, Sequence]) -> Iterator[dict[str, Any]]:
    """What `_forward` gave for a batch, item by item."""
    return (dict(zip(outputs, values)) for values in zip(*outputs.values()))


def _report(item: PreprocessedItem, position: int, on_error: str, skipped: list[tuple[str, str]]) -> None:
    """Raises the error of an item, or notes and warns that the item is left out."""
    error, name = item.error, item.name or f"item {position}"
    message = str(error) if name in str(error) else f"{name}: {error}"
    if on_error == "raise":
        raise type(error)(message) from error
    skipped.append((name, message))
    logger.warning(f"Left out {name}: {message}")


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}
