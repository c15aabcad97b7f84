"""Miniature trainings: arguments, configurations and comparisons."""

import json
from pathlib import Path

from safetensors.torch import load_file

REPOSITORY = Path(__file__).resolve().parents[2]
TOWER = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
SCRATCH = {
    "vocab_size": 320,
    "text": {
        "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_position_embeddings": 128,
        "dropout": 0.0,
    },
    "vision": {**TOWER, "image_size": 32, "patch_size": 16},
    "retriever_text": {**TOWER, "max_position_embeddings": 32},
    "projection_dim": 16,
    "video_processor": {
        "size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}, "frames_per_second": 1.0,
    },
    "audio": {
        "model_type": "whisper", "d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2,
        "encoder_ffn_dim": 32, "decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 16,
        "num_mel_bins": 8, "max_source_positions": 50, "vocab_size": 8, "pad_token_id": 0, "bos_token_id": 1,
        "eos_token_id": 2, "decoder_start_token_id": 1, "suppress_tokens": None, "begin_suppress_tokens": None,
    },
    "feature_extractor": {
        "feature_size": 8, "sampling_rate": 8000, "hop_length": 320, "n_fft": 640, "chunk_length": 4,
    },
}  # fmt: skip
ARGUMENTS = {
    "decoding_workers": 0,
    "num_guidance": 4,
    "max_text_length": 64,
    "fusion_dropout": 0.0,
    "learning_rate": 1e-3,
    "num_train_epochs": 2,
    "per_device_train_batch_size": 8,
    "warmup_steps": 0,
    "generation_num_beams": 1,
    "logging_steps": 1,
    "retriever_learning_rate": 1e-3,
    "retriever_num_train_epochs": 2,
    "retriever_per_device_train_batch_size": 8,
    "retriever_warmup_steps": 0,
    "use_cpu": True,
    "disable_tqdm": True,
    "dataloader_pin_memory": False,
}
CHECKPOINT_FILES = {
    "README.md", "training_curve.png", "config.json", "generation_config.json", "model.safetensors",
    "processor_config.json", "tokenizer.json", "tokenizer_config.json", "retriever/config.json",
    "retriever/model.safetensors", "retriever/processor_config.json", "retriever/tokenizer.json",
    "retriever/tokenizer_config.json", "hashtag_pool/hashtags.parquet", "hashtag_pool/embeddings.safetensors",
    "hashtag_pool/pool.json",
}  # fmt: skip


def write_scratch_config(path, dropout=0.0):
    """Writes the miniature scratch configuration."""
    path.write_text(json.dumps({**SCRATCH, "text": {**SCRATCH["text"], "dropout": dropout}}))
    return path


def command_line(**arguments):
    """Arguments of `train.py` for a miniature training; a list gives several values."""
    line = []
    for name, value in {**ARGUMENTS, **arguments}.items():
        line += [f"--{name}", *(str(item) for item in (value if isinstance(value, list) else [value]))]
    return line


def written_at(folder):
    """When each file below a folder was last written."""
    return {
        str(file.relative_to(folder)): file.stat().st_mtime_ns for file in Path(folder).rglob("*") if file.is_file()
    }


def history(run_dir):
    """The log history of a training's newest checkpoint."""
    newest = max(run_dir.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    return json.loads((newest / "trainer_state.json").read_text())["log_history"]


def losses(run_dir):
    """The loss of each training step."""
    return [entry["loss"] for entry in history(run_dir) if "loss" in entry]


def weights(folder):
    return load_file(folder / "model.safetensors")
