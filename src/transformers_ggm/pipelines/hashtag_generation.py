"""The pipeline: short videos in, hashtags with scores out."""

import copy
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, overload

import torch
from transformers import PreTrainedModel
from transformers.utils import logging

from ..errors import InputError
from ..modeling import HashtagRetriever
from ..processing import GGMProcessor, HashtagRetrieverProcessor
from ..processing.reading import ScreenReader, SpeechReader
from ..recommendation import CandidateSource, Clues, Recommender
from ..retrieval import HashtagPool
from .answers import answers_of
from .backend_selection import choose_backend
from .clip_reading import ClipReading
from .components import Checkpoint, GuidanceParts
from .dtype_selection import choose_type
from .feedback import append_row, feedback_row
from .generate_arguments import MODEL_ARGUMENTS, RESERVED, check_known
from .inputs import CLUES, load_item, read_fields
from .items import Items, as_items, is_list, with_values
from .numbers import check_numbers, check_score
from .prefetching import PreprocessedItem, PreprocessedItems, Suggestions
from .recommending import RecommendationPart, check_answerable, classifier_frames, used_clues
from .showing import SHOWING, Showing, told
from .suggesting import SuggestingPipeline
from .top_models import top_model

logger = logging.get_logger(__name__)

_ON_ERROR = ("raise", "skip")
# Beside a list of items, each may be a list of as many values. A history is a list by itself.
_OF_EACH_ITEM = ("description", "transcript", "screen_text", "time", "language", "country")


class HashtagGenerationPipeline(SuggestingPipeline):
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

    A checkpoint with a `recommendation.json` (see [`Recommender`]) recommends from all that is known of a clip: what
    its sources find is fused to the guidance that the model sees, and a ranker tells of all candidates, those that the
    model wrote among them, how likely they are. `score` is that probability then, `novel` is what is neither in the
    pool nor counted, and there is

    - `sources` (`list[str]`): what proposed the hashtag.

    Without a ranker, the list and its scores are the generator's. A checkpoint without a generator, such as
    `ggm compose` makes, answers with the fused list of its sources: five hashtags, or `top_n`; `score` is a hashtag's
    share of the best possible sum of reciprocal ranks, which tells the order and is no probability.

    `model` may be the folder or Hub id of an adapter (peft): the model that it changes is loaded too, from where the
    adapter's configuration says. Of the other parts, those that lie beside the adapter are taken, else its base's.

    Several threads may call one pipeline at once: each gets what it would get alone.

    `used_clues` names the clues beside the description that anything goes by: all with a recommender, else the texts
    that the models were trained with, for instance `("transcript", "language")`.

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
            `hashtag_pool` of that checkpoint. That of a [`PoolReader`] follows a store; what is blocked there is never
            shown.
        recommender ([`Recommender`], `str` or `False`, *optional*): What recommends, or the folder or Hub id of a
            checkpoint that has it. Defaults to that of the checkpoint that was named as `model`, where it has a
            `recommendation.json`; `False` goes without.
        sources (`Sequence[CandidateSource]`, *optional*): Candidate sources of your own, each taken for the stored one
            of its name.
        speech ([`SpeechReader`] or `str`, *optional*): What reads the speech of clips, where no `transcript` is given,
            or the folder or Hub id of a speech model, see [`load_speech_reader`]. Read it is for a recommender, and
            for models that were trained with transcripts, by their thresholds.
        screen_text (`bool` or [`ScreenReader`], defaults to `False`): Whether the screen is read, likewise.
        int8 (`bool`, defaults to `False`): Whether vision encoders and decoder are those that [`export_openvino`]
            rounded to eight bits, with `backend="openvino"` alone. They are faster, and the hashtags can differ.
        backend (`str`, defaults to `"torch"`): `"openvino"` lets OpenVINO compute encoders and decoder, on CPUs, see
            [`use_openvino`].
        local_files_only (`bool`, defaults to `False`): Whether nothing may be downloaded.
        **kwargs: Those of [`~transformers.Pipeline`] (`device`, `batch_size`, `num_workers`, ...) and, as defaults for
            all calls, those of [`~HashtagGenerationPipeline.__call__`]. With `num_guidance=0` neither retriever nor
            pool are needed, unless the pool is one of the recommender's sources.

    Raises:
        `CheckpointError`: The retriever or the pool is missing and there is to be guidance.
        `RetrieverMismatchError`, `EncoderMismatchError`: Pool or posts were made by another encoder.
        `SourceError`, `RankerError`: A source is not known, or the ranker was fitted with others.
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
        recommender: Recommender | str | Path | Literal[False] | None = None,
        sources: Sequence[CandidateSource] = (),
        speech: SpeechReader | str | None = None,
        screen_text: ScreenReader | bool | str = False,
        int8: bool = False,
        backend: Literal["torch", "openvino"] = "torch",
        local_files_only: bool = False,
        **kwargs,
    ):
        if isinstance(screen_text, str):
            kwargs["screen_text"], screen_text = screen_text, False
        check_numbers(batch_size=kwargs.get("batch_size"), num_workers=kwargs.get("num_workers"))
        checkpoint = Checkpoint.of(model, local_files_only)
        top = top_model(model)
        if processor is None:
            processor = checkpoint.processor(top.processor)
        elif isinstance(processor, (str, os.PathLike)):
            processor = top.processor.from_pretrained(processor, local_files_only=local_files_only)
        if not isinstance(processor, top.processor):
            expected = top.processor.__name__
            raise InputError(f"`processor` is a {type(processor).__name__}: pass the model's {expected}.")
        self.skipped: list[tuple[str, str]] = []
        # What a call asks for comes to these, argument by argument.
        self._showing = _given({name: kwargs.get(name) for name in SHOWING})
        dtype = kwargs.get("dtype")
        super().__init__(model, processor=processor, **kwargs)
        self._is_rounded = choose_type(self.model, self.device, dtype)
        self.model.eval()
        for name in MODEL_ARGUMENTS if top.writer else ():
            self.processor.tokenizer.init_kwargs.pop(name, None)
        recommending = RecommendationPart(checkpoint, recommender, local_files_only=local_files_only)
        parts = GuidanceParts(
            self.model,
            checkpoint,
            self.device,
            wanted=recommending.wants_pool(self._forward_params.get("num_guidance", self.processor.num_guidance)),
            **recommending.guidance_parts(retriever, retriever_processor, hashtag_pool),
            local_files_only=local_files_only,
        )
        self.retriever, self.retriever_processor, self._hashtag_pool = parts.retriever, parts.processor, parts.pool
        self.recommender = recommending.load(self.model, self.processor, parts, sources, self.device)
        self._classifier_frames = classifier_frames(self.recommender)
        self._writer = top.writer_of(self.model, self.processor, self.device, self.retriever, self.retriever_processor)
        check_answerable(self._writer, self.recommender)
        self.used_clues = used_clues(self.recommender, self._writer, self.retriever, self.retriever_processor)
        trained_with = getattr(self.processor, "text_reading", None)
        self._reading = ClipReading.of(
            speech, screen_text, self.used_clues, trained_with, str(self.device), local_files_only
        )
        choose_backend(backend, int8, self.model, self.retriever, self.recommender, checkpoint)

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
                - `sampling_rate` (`int`): of the waveform, in Hz;
                - `transcript`, `screen_text`, `history`, `time`, `language`, `country`: further clues for a
                  recommender, see [`Clues`]; the first two also for models that were trained with them. Other
                  fields are not looked at.
            description (`str` or `list[str]`, *optional*): The words for items without any; beside a list of items, a
                list of as many.
            transcript, screen_text, history, time, language, country (*optional*): The clues for items without them;
                but for `history`, beside a list of items a list of as many.
            top_n (`int`, *optional*): How many hashtags at most. Defaults to all that the model writes; with a ranker,
                and without `min_score`, to as many as make the expected F1 largest.
            min_score (`float`, *optional*): Only hashtags with this score or a better one, from 0 to 1.
            explain (`bool`, defaults to `False`): Whether each hashtag has an `explanation`, too: of each feature that
                the ranker knows its `value`, and what it `added` to the logit, the largest first. Needs a ranker.
            max_hashtags (`int`, *optional*): After how many hashtags the model stops writing. That is quicker than
                `top_n`, and not the same: it gives those that are written first, which need not be the surest.
            num_guidance (`int`, *optional*): How many retrieved hashtags the model sees, up to the processor's
                `num_guidance`, which is the default; 0 switches guidance off.
            on_error (`str`, defaults to `"raise"`): `"skip"` gives `[]` for an item that cannot be read, warns, and
                lists it in `skipped`; and it warns of a source that fails, and goes on without it.
            blank_video (`bool`, defaults to `True`): Whether an item with sound but no picture (a file of sound, too)
                gets one black frame: the model hears through what it sees.
            hashtag_pool ([`HashtagPool`], *optional*): The pool for this call alone, made by the same retriever, such
                as one user's own [`~HashtagPool.copy`]. Calls of several threads do not mix theirs.
            return_guidance (`bool`, defaults to `False`): Whether to tell what was retrieved, too.
            safe (`bool`, defaults to `False`): Whether unsafe hashtags are left out, see [`SafetyFilter`]. They do not
                guide the model either.
            safety_model (`str`, *optional*): A text classifier of transformers that judges hashtags too; see there.
            blocked (`Sequence[str]` or [`BlockedFilter`], *optional*): Hashtags, phrases and patterns (`"*sale*"`) to
                be left out, joined, split and disguised ones too.
            platform (`str`, *optional*): `"tiktok"`, `"instagram"`, `"youtube"`, `"x"`, `"mastodon"` or `"linkedin"`:
                as many hashtags as it takes, none that name another one, no near-duplicates, and with capitals where
                words begin (`#FirstSnow`).
            prefer_pool (`str`, defaults to `"free"`): `"only"` leaves out hashtags that nobody used before, `"prefer"`
                shows them after the others.
            near_duplicates (`bool`, *optional*): Whether of #dog and #dogs only the better one is shown. Defaults to
                whether there is a `platform`.
            reach_calls (`Collection[str]` or `True`, *optional*): Calls for reach (`#fyp`) to be left out, see
                [`learn_reach_calls`]; `True` for those that the checkpoint knows.
            filters (`Sequence[HashtagFilter]`, *optional*): Of your own.
            return_removed (`bool`, defaults to `False`): Whether to tell what was left out, and why.
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
            to the clip; of fused guidance the sum of weighted reciprocal ranks). With `return_removed` that `dict` has
            `removed`, too: each hashtag that was left out with `reason`, `category` and `because` (`str` or `None`).

        Raises:
            `MediaError`: A clip cannot be read.
            `InputError`: An item gives nothing to go by, or an argument is unknown or out of range.
            `RetrieverMismatchError`: `hashtag_pool` was made by another retriever.
            `SourceError`: A source of the recommender failed.
        """
        check_numbers(batch_size=kwargs.get("batch_size"), num_workers=kwargs.get("num_workers"))
        items = as_items(inputs)
        for name in _OF_EACH_ITEM:
            if is_list(kwargs.get(name)):
                items = with_values(items, name, kwargs.pop(name))
        if isinstance(items, list) and not items:
            self.skipped = []
            return []
        found = super().__call__(items, **kwargs)
        return list(found) if isinstance(items, Items) and items.is_sequence else found

    def feedback(
        self,
        item: Any,
        accepted: Sequence[str] = (),
        rejected: Sequence[str] | None = None,
        file: str | os.PathLike | None = None,
        store: Any = None,
        user: str | None = None,
        **clues,
    ) -> dict[str, Any]:
        """What somebody made of suggestions, as a row that a ranker can be fitted on (`ggm train --base_checkpoint`).
        Nothing is stored unless there is a `file` or a `store`.

        Args:
            item, **clues: What was suggested for, as in the call: an item, and `description`, `history`, ...
            accepted (`Sequence[str]`, defaults to none): Hashtags, with or without `#`.
            rejected (`Sequence[str]`, *optional*): Those that were shown and refused, none of them where all were
                accepted: a ranker then learns from these and from `accepted` alone. `None` where that is not known:
                whatever was not accepted then counts as not used.
            file (`str` or `os.PathLike`, *optional*): JSON lines, to which the row is added.
            store ([`PoolStore`], *optional*): Keeps the row too, until it is to forget the `user`; `ggm pool feedback`
                prints what it keeps.
            user (`str`, *optional*): Whose feedback the store keeps: a string that says who it is to its owner alone.

        Returns:
            `dict`: `description`, `transcript`, `screen_text`, `language`, `country`, `time`, `history` and, of a clip
            that is a file, `video`; `hashtags`, those accepted; and `rejected`, as given.

        Raises:
            `InputError`: The item tells nothing that can be kept, a hashtag was accepted and rejected, or there is
                only one of `store` and `user`.
            `StoreError`: The store cannot be reached; the file has the row then.
            `HashtagError`: One is no hashtag.
            `OutputError`: `file` cannot be written.

        Example:

        ```python
        >>> from transformers import pipeline
        >>> import transformers_ggm

        >>> suggest = pipeline("hashtag-generation")
        >>> row = suggest.feedback({"description": "first snow"}, accepted=["#winter"], rejected=["#lake"])
        >>> row["description"], row["hashtags"], row["rejected"]
        ('first snow', ['winter'], ['lake'])

        ```
        """
        if (store is None) != (user is None):
            raise InputError("feedback is kept in a store for a user: give both store=... and user=..., or neither.")
        row = feedback_row(item, accepted, rejected, **clues)
        if file is not None:
            append_row(row, file)
        if store is not None:
            store.users.add_feedback(user, row)
        return row

    def run_single(self, inputs, preprocess_params, forward_params, postprocess_params):
        return next(iter(self.get_iterator([inputs], 0, 1, preprocess_params, forward_params, postprocess_params)))

    def get_iterator(
        self, inputs, num_workers: int, batch_size: int, preprocess_params, forward_params, postprocess_params
    ) -> Suggestions:
        """As in the base class, but a batch has lists: videos of unequal length cannot be joined there."""
        self._check_recommending(preprocess_params, postprocess_params)
        on_error = forward_params.get("on_error", "raise")
        # One pool for all of the call, also when the pipeline is given another one while an iterator is read.
        forward_params = self._checked(forward_params)
        # Not looked up as attributes later, so that iterators and threads of several calls do not count together.
        skipped, positions = [], itertools.count()
        self.skipped = skipped
        empty = {name: [] for name in ("guidance", "removed") if postprocess_params.get(f"return_{name}")}

        def answer(batch: list[PreprocessedItem]) -> Iterator:
            for item, position in zip(batch, positions):
                if item.error is not None:
                    _report(item, position, on_error, skipped)
            readable = [item.inputs for item in batch if item.error is None]
            outputs = iter(self.run_batch(readable, forward_params) if readable else ())
            for item in batch:
                if item.error is None:
                    yield self.postprocess(next(outputs), **postprocess_params)
                else:
                    yield {"hashtags": [], **empty} if empty else []

        preprocessor = self.without_models() if num_workers else self
        preprocess = partial(preprocessor.preprocess, **preprocess_params)
        return Suggestions(PreprocessedItems(inputs, preprocess, num_workers, batch_size), answer, batch_size)

    def without_models(self) -> "HashtagGenerationPipeline":
        """A copy to be sent to worker processes: of the models it has the configurations alone, and it has no pool."""
        copied = copy.copy(self)
        copied.model = SimpleNamespace(config=self.model.config)
        copied.retriever = None if self.retriever is None else SimpleNamespace(config=self.retriever.config)
        copied._hashtag_pool, copied._writer = None, None
        copied._forward_params, copied._postprocess_params, copied._showing = {}, {}, {}
        copied.recommender = None if self.recommender is None else SimpleNamespace()
        copied._reading = None if self._reading is None else SimpleNamespace(wanted=self._reading.wanted)
        return copied

    def get_inference_context(self):
        return torch.inference_mode

    def _sanitize_parameters(
        self,
        description: str | None = None,
        top_n: int | None = None,
        min_score: float | None = None,
        explain: bool | None = None,
        max_hashtags: int | None = None,
        on_error: str | None = None,
        num_guidance: int | None = None,
        blank_video: bool | None = None,
        hashtag_pool: HashtagPool | None = None,
        return_guidance: bool | None = None,
        return_removed: bool | None = None,
        generate_kwargs: Mapping[str, Any] | None = None,
        **decoding,
    ) -> tuple[dict, dict, dict]:
        clues = _given({name: decoding.pop(name, None) for name in CLUES})
        if isinstance(clues.get("screen_text"), bool):
            raise InputError("`screen_text` is a bool: whether screens are read is said when the pipeline is made.")
        asked = _given({name: decoding.pop(name, None) for name in SHOWING})
        showing = Showing.of({**self._showing, **asked}) if asked else None
        # Refused here, not item by item.
        Clues(**clues)
        check_score(min_score)
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
        self._check_pool(hashtag_pool)
        preprocess = {
            "description": description,
            "blank_video": blank_video,
            "guided": None if num_guidance is None else num_guidance > 0,
            **clues,
        }
        forward = {"on_error": on_error, "num_guidance": num_guidance, "hashtag_pool": hashtag_pool}
        forward |= {"max_hashtags": max_hashtags, "showing": showing}
        postprocess = {"top_n": top_n, "min_score": min_score, "explain": explain, "showing": showing}
        postprocess |= {"return_guidance": return_guidance, "return_removed": return_removed}
        return _given(preprocess), _given(forward) | decoding, _given(postprocess)

    def preprocess(
        self, input_: Any, description: str = "", blank_video: bool = True, guided: bool = True, **clues
    ) -> dict[str, Any]:
        """Decodes an item, once for all models.

        With `num_workers`, processes call it on copies of the pipeline that have no pool and of `model` and
        `retriever` the configurations alone. A `MediaError` or `InputError` counts as an item that cannot be read, see
        `on_error`; any other error is raised.

        Returns:
            `dict` with `frames` and `retriever_frames` (f, 3, h, w) uint8 and `input_features` (...) float32, each
            `None` where there is none, and `description` (`str`); where something goes by them also `clues`
            ([`Clues`]), and `to_read` where something is to be read in clips.
        """
        recommends = self.recommender is not None
        sees = (guided or recommends) and self.retriever is not None and self.retriever.config.query_reads_video
        retriever_video_processor = self.retriever_processor.video_processor if sees else None
        fields = read_fields(input_, description, clues if self.used_clues else None, self.used_clues)
        wanted = self._reading and self._reading.wanted
        sees_as = (retriever_video_processor, blank_video, self._classifier_frames)
        return load_item(fields, self.processor, *sees_as, wanted)

    def _forward(
        self,
        model_inputs: dict[str, list],
        num_guidance: int | None = None,
        hashtag_pool: HashtagPool | None = None,
        on_error: str = "raise",
        showing: Showing | None = None,
        **decoding,
    ) -> dict[str, list]:
        """Suggests hashtags for a batch.

        Args:
            model_inputs (`dict[str, list]`): Of each field that `preprocess` gives a list with one entry per item.

        Returns:
            `dict[str, list]`: `written` (`dict` from hashtags to scores) and what else the generator tells (see
            [`GGMWriter`]), where it was asked; `guidance` (`dict` from the hashtags seen to their similarities) and
            the `hashtag_pool`, each with one entry per item, of which `postprocess` gets one; with a recommender also
            the `recommender`, `proposed` (`dict` from hashtags to the retrieving sources that have them), the
            `features` of the candidates ([`CandidateFeatures`]), `None` without a ranker, and the `fused` ones where
            there is neither ranker nor generator. Where a ranker has no use for what the generator writes, that is
            left out.
        """
        if num_guidance is None:
            num_guidance = self.processor.num_guidance
        if hashtag_pool is None:
            hashtag_pool = self.hashtag_pool
        outputs = self._suggest(model_inputs, num_guidance, hashtag_pool, on_error, decoding, showing)
        return {**outputs, "hashtag_pool": [hashtag_pool] * len(outputs["guidance"])}

    def postprocess(
        self,
        model_outputs: dict[str, Any],
        top_n: int | None = None,
        min_score: float | None = None,
        explain: bool = False,
        return_guidance: bool = False,
        return_removed: bool = False,
        showing: Showing | None = None,
    ) -> list[dict[str, Any]] | dict[str, list[dict[str, Any]]]:
        """Reads the hashtags of one item from what the model wrote, and ranks them where there is a ranker."""
        removed = dict(model_outputs.get("removed", {}))
        if showing is None:
            hashtags = answers_of(model_outputs, top_n, min_score, explain)
        else:
            # What is cut off may be needed in the place of what is left out.
            asked = (None, min_score or 0.0) if top_n else (None, min_score)
            answers = answers_of(model_outputs, *asked, explain)
            hashtags, late = showing.shown(answers, model_outputs["known"], top_n)
            removed |= late
        if not return_guidance and not return_removed:
            return hashtags
        answer = {"hashtags": hashtags}
        if return_guidance:
            seen = model_outputs["guidance"].items()
            answer["guidance"] = [{"hashtag": f"#{tag}", "score": score} for tag, score in seen]
        return {**answer, "removed": told(removed)} if return_removed else answer


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
