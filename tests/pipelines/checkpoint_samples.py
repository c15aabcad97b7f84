"""Settings of a very small model with random weights."""

from transformers_ggm.training.from_scratch import ScratchConfig

TOWER = {"num_hidden_layers": 1, "num_attention_heads": 2}
SCRATCH = ScratchConfig(
    vocab_size=300,
    text={
        "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_position_embeddings": 128,
    },
    vision={**TOWER, "hidden_size": 16, "intermediate_size": 16, "image_size": 32, "patch_size": 16},
    retriever_text={**TOWER, "hidden_size": 16, "intermediate_size": 16, "max_position_embeddings": 32},
    projection_dim=8,
    video_processor={"size": {"shortest_edge": 32}, "num_frames": 4},
    audio={
        "model_type": "whisper", "d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2,
        "encoder_ffn_dim": 16, "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 16,
        "num_mel_bins": 16, "max_source_positions": 50, "vocab_size": 8, "pad_token_id": 0, "bos_token_id": 1,
        "eos_token_id": 2, "decoder_start_token_id": 1,
    },
    feature_extractor={
        "feature_size": 16, "sampling_rate": 16000, "hop_length": 320, "n_fft": 640, "chunk_length": 2,
    },
)  # fmt: skip
POOL_HASHTAGS = ("bluesquare", "redcircle", "spin", "birthday", "roadtrip", "bounce")


def write_hashtags_often(model, tokenizer):
    """Leans the output towards `#`, letters and length: random weights alone hardly ever write a hashtag."""
    model.use_published_decoding(max_length=24)
    # In their usual size, random weights hardly look at the inputs.
    for parameter in model.parameters():
        parameter.data.mul_(3.0)
    bias = model.final_logits_bias[0]
    letters = [index for index in range(len(tokenizer)) if tokenizer.decode([index]).strip("# ").isalpha()]
    signs = [index for index in range(len(tokenizer)) if tokenizer.decode([index]).strip().startswith("#")]
    bias[tokenizer.eos_token_id] -= 3.0
    bias[letters] += 3.0
    bias[signs] += 12.0
