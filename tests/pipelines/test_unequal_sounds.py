"""The pipeline with an audio backbone whose features are as long as the sound."""

import numpy as np
import pytest
import torch
from checkpoint_samples import POOL_HASHTAGS, SCRATCH, write_hashtags_often
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, pipeline

from transformers_ggm import GGMForHashtagGeneration, GGMProcessor

# By default normalised over time: padding would be in every state.
AUDIO = Wav2Vec2Config(
    hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=(8, 8, 8),
    conv_kernel=(10, 8, 4), conv_stride=(5, 8, 8), num_feat_extract_layers=3, num_conv_pos_embeddings=16,
    num_conv_pos_embedding_groups=2,
)  # fmt: skip


@pytest.fixture
def suggest():
    processor, _ = SCRATCH.processors(["a cake for breakfast"], POOL_HASHTAGS, max_text_length=96)
    processor = GGMProcessor(processor.video_processor, processor.tokenizer, Wav2Vec2FeatureExtractor())
    config = SCRATCH.generator_config(processor.tokenizer, fusion_init="normal")
    config.audio_config = AUDIO
    model = GGMForHashtagGeneration(config)
    write_hashtags_often(model, processor.tokenizer)
    return pipeline("hashtag-generation", model=model, processor=processor, num_guidance=0, device="cpu")


def test_a_batch_gives_what_single_calls_give(suggest, clips):
    """Would fail if a clip's hashtags or their scores had to do with the sounds beside it."""
    noise = np.random.default_rng(0).normal(0, 0.3, 40_000).astype(np.float32)
    items = [{"video": path, "description": "a cake"} for path in clips]
    for samples in (40_000, 3_000, 20_000):
        frames = np.full((2, 32, 32, 3), 90, np.uint8)
        items.append({"video": frames, "audio": noise[:samples], "sampling_rate": 16_000, "description": "a cake"})
    items.append({"description": "a cake"})
    alone = [suggest(item) for item in items]
    assert len({str(answer) for answer in alone[4:]}) == 4
    for num_workers in (0, 1):
        together = suggest(items, batch_size=len(items), num_workers=num_workers)
        for one, other in zip(alone, together):
            assert [tag["hashtag"] for tag in one] == [tag["hashtag"] for tag in other]
            scores = [torch.tensor([tag["score"] for tag in answer]) for answer in (one, other)]
            torch.testing.assert_close(*scores, atol=1e-5, rtol=0)
