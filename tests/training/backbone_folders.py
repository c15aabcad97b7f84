"""Folders of tiny random backbones, with the files that the Hub has for the real ones."""

import json

from tokenizers import pre_tokenizers
from transformers import (
    BartConfig,
    BartModel,
    ClapConfig,
    ClapModel,
    CLIPConfig,
    CLIPModel,
    ViTConfig,
    ViTModel,
)

ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
# As in openai/clip-vit-base-patch32, google/vit-base-patch16-224-in21k and laion/clap-htsat-unfused, but for sizes.
CLIP_PREPROCESSOR = {
    "crop_size": 32, "do_center_crop": True, "do_normalize": True, "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 32,
}  # fmt: skip
VIT_PREPROCESSOR = {
    "do_normalize": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": 48,
}  # fmt: skip
CLAP_PREPROCESSOR = {
    "chunk_length_s": 1, "feature_extractor_type": "ClapFeatureExtractor", "feature_size": 16, "fft_window_size": 1024,
    "frequency_max": 14000, "frequency_min": 50, "hop_length": 480, "max_length_s": 1, "n_fft": 1024,
    "nb_frequency_bins": 513, "nb_max_frames": 100, "nb_max_samples": 48000, "padding": "repeatpad",
    "padding_side": "right", "padding_value": 0.0, "processor_class": "ClapProcessor", "return_attention_mask": False,
    "sampling_rate": 48000, "top_db": None, "truncation": "rand_trunc",
}  # fmt: skip
TEXT_TOWER = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}


def write_backbones(folder):
    """Writes the folders `vit`, `bart`, `clap` and `clip`; gives the arguments of `train.py` that name them."""
    write_vit(folder / "vit")
    write_bart(folder / "bart")
    write_clap(folder / "clap")
    write_clip(folder / "clip")
    names = {"vision": "vit", "text": "bart", "audio": "clap", "retriever": "clip"}
    return {argument: folder / name for argument, name in names.items()}


def write_vit(folder):
    ViTModel(ViTConfig(**TEXT_TOWER, image_size=48, patch_size=16)).save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", VIT_PREPROCESSOR)


def write_bart(folder):
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *ALPHABET, "Ġ#", "sn", "ow", "<mask>"]
    config = BartConfig(
        vocab_size=len(vocabulary), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=128,
    )  # fmt: skip
    BartModel(config).save_pretrained(folder)
    write_bpe(folder, vocabulary, ["Ġ #", "s n", "o w"])
    write_json(folder / "tokenizer_config.json", {"model_max_length": 1024, "tokenizer_class": "BartTokenizer"})


def write_clip(folder):
    vocabulary = [*ALPHABET, *(f"{letter}</w>" for letter in ALPHABET), "sn", "<|startoftext|>", "<|endoftext|>"]
    special = {"bos_token_id": len(vocabulary) - 2, "eos_token_id": len(vocabulary) - 1, "pad_token_id": 1}
    text = {**TEXT_TOWER, **special, "vocab_size": len(vocabulary), "max_position_embeddings": 32}
    vision = {**TEXT_TOWER, "image_size": 32, "patch_size": 16}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)).save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", CLIP_PREPROCESSOR)
    write_bpe(folder, vocabulary, ["s n"])
    tokens = {"unk_token": "<|endoftext|>", "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"}
    tokens["pad_token"] = "<|endoftext|>"
    write_json(folder / "special_tokens_map.json", tokens)
    write_json(
        folder / "tokenizer_config.json", {**tokens, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    )


def write_clap(folder):
    audio = {
        "window_size": 4, "num_mel_bins": 16, "spec_size": 64, "patch_embeds_hidden_size": 16, "hidden_size": 32,
        "depths": [1, 1], "num_attention_heads": [2, 2], "num_hidden_layers": 2, "projection_dim": 16,
    }  # fmt: skip
    text = {**TEXT_TOWER, "vocab_size": 40, "max_position_embeddings": 40, "projection_dim": 16}
    ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=16)).save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", CLAP_PREPROCESSOR)


def write_bpe(folder, vocabulary, merges):
    write_json(folder / "vocab.json", {piece: index for index, piece in enumerate(vocabulary)})
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")


def write_json(path, content):
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
