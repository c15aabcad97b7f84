"""Speech models of transformers: Whisper, other encoder-decoders, and those with a CTC head."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoFeatureExtractor, AutoModelForCTC, AutoModelForSpeechSeq2Seq, AutoTokenizer
from transformers.modeling_outputs import BaseModelOutput

from ...errors import CheckpointError
from ...utils.opening import foreign
from ..media.audio import resample
from .speech_reader import Heard, SpeechReader
from .transcripts import SpeechThresholds
from .voice_activity import SPEECH_RATE


class TransformersSpeechReader(SpeechReader):
    """
    What readers by transformers share: the parts of a checkpoint. [`load_speech_reader`] knows which subclass reads a
    checkpoint.

    Args:
        folder (`str` or `Path`): A checkpoint for `automatic-speech-recognition`, with safetensors.
        device (`str`, *optional*): Such as `"cuda:0"`; a GPU by default, where there is one.
        thresholds ([`SpeechThresholds`], *optional*), voice_activity (`bool`, defaults to `True`): As for
            [`SpeechReader`].

    Raises:
        CheckpointError: The checkpoint lacks a part.
    """

    auto_model: type
    padding: bool | str = True

    def __init__(
        self,
        folder: str | Path,
        device: str | None = None,
        thresholds: SpeechThresholds | None = None,
        voice_activity: bool = True,
    ):
        super().__init__(thresholds, voice_activity)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        # Half precision is slow on CPUs.
        dtype = torch.float16 if self.device.type == "cuda" else torch.float32
        with foreign(str(folder), CheckpointError):
            self.feature_extractor = AutoFeatureExtractor.from_pretrained(folder)
            self.tokenizer = AutoTokenizer.from_pretrained(folder)
            model = self.auto_model.from_pretrained(folder, dtype=dtype, use_safetensors=True)
        self.model = model.to(self.device).eval()

    def _features(self, pieces: Sequence[np.ndarray]) -> dict[str, torch.Tensor]:
        rate = self.feature_extractor.sampling_rate
        made = self.feature_extractor(
            [resample(piece, SPEECH_RATE, rate) for piece in pieces],
            sampling_rate=rate,
            padding=self.padding,
            return_attention_mask=self.feature_extractor.return_attention_mask,
            return_tensors="pt",
        )
        return {
            name: value.to(self.device, self.model.dtype) if value.is_floating_point() else value.to(self.device)
            for name, value in made.items()
        }


class CTCReader(TransformersSpeechReader):
    """
    Reads speech with a model that has a CTC head, such as Wav2Vec2, HuBERT or WavLM. Pieces are read one by one:
    padding would change what many of these models hear. They tell neither language nor silence.
    """

    auto_model = AutoModelForCTC

    @torch.inference_mode()
    def hear(self, pieces: Sequence[np.ndarray], languages: Sequence[str | None]) -> list[Heard]:
        """See [`SpeechReader.hear`]; the mean log-probability is that of the frames that write a letter."""
        return [self._hear_one(piece) for piece in pieces]

    def _hear_one(self, piece: np.ndarray) -> Heard:
        logits = self.model(**self._features([piece])).logits[0]
        log_probabilities, ids = logits.float().log_softmax(dim=-1).max(dim=-1)
        is_letter = ids != self.model.config.pad_token_id
        text = self.tokenizer.decode(ids, skip_special_tokens=True).strip()
        # Many know capitals only, which nobody writes.
        text = text.lower() if text.isupper() else text
        return Heard(text, log_probabilities[is_letter].mean().item() if is_letter.any() else 0.0)


class SeqToSeqReader(TransformersSpeechReader):
    """
    Reads speech with an encoder-decoder such as Moonshine or Speech2Text, greedily. They are not told the language.
    """

    auto_model = AutoModelForSpeechSeq2Seq
    # How many pieces of at most 30 s are read at a time. Padding would change what many of these models hear, masked
    # or not: Moonshine normalises over time.
    batch_size = 1

    @torch.inference_mode()
    def hear(self, pieces: Sequence[np.ndarray], languages: Sequence[str | None]) -> list[Heard]:
        """See [`SpeechReader.hear`]."""
        heard = []
        for start in range(0, len(pieces), self.batch_size):
            rows = slice(start, start + self.batch_size)
            heard += self._hear_batch(pieces[rows], languages[rows])
        return heard

    def _hear_batch(self, pieces: Sequence[np.ndarray], languages: Sequence[str | None]) -> list[Heard]:
        written = self.model.generate(
            **self._features(pieces), return_dict_in_generate=True, output_scores=True, do_sample=False, num_beams=1
        )
        return [Heard(text, mean) for text, mean in self._texts(written.sequences, written.scores)]

    def _texts(self, sequences: torch.Tensor, scores: tuple[torch.Tensor, ...]) -> list[tuple[str, float]]:
        """
        The text of each row, and the mean log-probability of its tokens, the one that ends it included.

        Args:
            sequences (`torch.Tensor`): (b, n) int64.
            scores (`tuple[torch.Tensor]`): (b, tokens) each, of the last len(scores) of `sequences`.
        """
        end = self.model.generation_config.eos_token_id
        tokens = sequences[:, sequences.shape[1] - len(scores) :]
        log_probabilities = torch.stack(scores, dim=1).float().log_softmax(dim=-1)
        chosen = log_probabilities.gather(2, tokens[:, :, None])[:, :, 0]
        ends = torch.isin(tokens, torch.as_tensor(end, device=tokens.device)).int()
        is_written = ends.cumsum(dim=1) - ends == 0
        means = (chosen.masked_fill(~is_written, 0).sum(dim=1) / is_written.sum(dim=1)).tolist()
        texts = self.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [(text.strip(), mean) for text, mean in zip(texts, means)]


class WhisperReader(SeqToSeqReader):
    """
    Reads speech with a Whisper. Its first step tells the language, where it knows several and none is given, and the
    probability that nobody speaks.
    """

    padding = "max_length"
    # Its features are 30 s long whatever the sound is.
    batch_size = 8

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        ids = getattr(self.model.generation_config, "lang_to_id", None) or {}
        self._language_ids = {name.strip("<|>"): token for name, token in ids.items()}
        self._is_multilingual = getattr(self.model.generation_config, "is_multilingual", bool(ids))
        self.languages = frozenset(self._language_ids) if self._is_multilingual else frozenset(["en"])

    def _hear_batch(self, pieces: Sequence[np.ndarray], languages: Sequence[str | None]) -> list[Heard]:
        features = self._features(pieces)["input_features"]
        states = self.model.get_encoder()(features).last_hidden_state
        no_speech, found = self._first_step(states)
        spoken = [language or self._found(row) for language, row in zip(languages, found)]
        told = {"language": spoken, "task": "transcribe"} if self._is_multilingual else {}
        written = self.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=torch.ones(states.shape[:2], dtype=torch.int64, device=self.device),
            **told,
            # One pass: pieces are no longer than its window.
            force_unique_generate_call=True,
            return_dict_in_generate=True,
            output_scores=True,
            do_sample=False,
            num_beams=1,
        )
        texts = self._texts(written.sequences, written.scores)
        return [Heard(text, mean, *rest) for (text, mean), *rest in zip(texts, no_speech, spoken)]

    def _first_step(self, states: torch.Tensor) -> tuple[list[float | None], torch.Tensor]:
        """The probability that nobody speaks for each row, and the scores of the first token (b, tokens)."""
        config = self.model.generation_config
        start = torch.full((len(states), 1), config.decoder_start_token_id, device=self.device)
        outputs = self.model(encoder_outputs=BaseModelOutput(last_hidden_state=states), decoder_input_ids=start)
        scores = outputs.logits[:, 0].float()
        without_times = getattr(config, "no_timestamps_token_id", None)
        if without_times is None:
            return [None] * len(states), scores
        # In all vocabularies of Whisper the token for silence comes right before that one.
        return scores.softmax(dim=-1)[:, without_times - 1].tolist(), scores

    def _found(self, scores: torch.Tensor) -> str:
        if not self._is_multilingual:
            return "en"
        return max(self._language_ids, key=lambda code: scores[self._language_ids[code]].item())
