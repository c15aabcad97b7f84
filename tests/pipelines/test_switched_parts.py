"""The pipeline with models that are put together otherwise than the published one."""

import numpy as np
import pytest
import soundfile
import torch
from checkpoint_samples import SCRATCH, write_hashtags_often
from transformers import pipeline

from transformers_ggm import GGMForHashtagGeneration, GGMProcessor
from transformers_ggm.errors import MediaError

WORDS = "twelve hours on the highway"


@pytest.fixture
def fused(checkpoint, tmp_path):
    """A pipeline without guidance whose decoder looks at all frames."""
    processor = GGMProcessor.from_pretrained(checkpoint)
    config = SCRATCH.generator_config(processor.tokenizer, fusion_init="normal", fusion="decoder")
    model = GGMForHashtagGeneration(config)
    write_hashtags_often(model, processor.tokenizer)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    return pipeline("hashtag-generation", model=str(tmp_path), num_guidance=0, device="cpu")


def test_fusion_in_the_decoder(fused, clips):
    """Would fail if scores or hashtags of a row came from another row's frames, from padding, or from words alone."""
    items = [{"video": path, "description": WORDS} for path in clips] + [{"description": WORDS}]
    single = [fused(item) for item in items]
    assert sum(map(len, single)) > len(items) and single[0] != single[-1]
    for row, expected in zip(fused(items, batch_size=5), single):
        assert [tag["hashtag"] for tag in row] == [tag["hashtag"] for tag in expected]
        assert [tag["score"] for tag in row] == pytest.approx([tag["score"] for tag in expected], rel=1e-3)


def test_scores_with_fusion_in_the_decoder(fused, sounding):
    """Would fail if scores were not the model's own probabilities, given text and frames."""
    item = {"video": sounding[0], "description": WORDS}
    inputs = fused.processor(videos=[sounding[0]], text=[WORDS])
    with torch.inference_mode():
        ids = fused.model.generate(**inputs)
        log_probs = fused.model(**inputs, decoder_input_ids=ids[:, :-1]).logits.log_softmax(-1)
    chosen = log_probs.gather(-1, ids[:, 1:, None])[0, :, 0]
    tag, places = fused.processor.hashtag_spans(ids[0])[0]
    (score,) = [found["score"] for found in fused(item) if found["hashtag"] == f"#{tag}"]
    assert score >= chosen[[place - 1 for place in places]].mean().exp().item() * (1 - 1e-4)


def test_files_of_sound(checkpoint, tmp_path):
    """Would fail if a file of sound were no video to be heard, or were heard although that is switched off."""
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.5 * np.sin(np.arange(16_000) / 5), 16_000)
    suggest = pipeline("hashtag-generation", model=str(checkpoint), device="cpu")
    expected = suggest({"audio": str(path), "description": WORDS})
    assert expected and suggest(str(path), description=WORDS) == expected
    with pytest.raises(MediaError, match="no video stream"):
        suggest(str(path), description=WORDS, blank_video=False)
