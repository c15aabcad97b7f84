"""Parts of a checkpoint as people have them, but tiny: a dual encoder, a sentence encoder, posts, a list."""

import json

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, CLIPConfig, CLIPModel, PreTrainedTokenizerFast

from transformers_ggm.retrieval import TextEncoder

HASHTAGS = {"FirstSnow": 3, "lake": 2, "roadtrip": 1, "birthday": 5, "guitar": 1, "winter": 4}
WORDS = "first snow lake road trip birthday guitar winter a cake for breakfast cold song water the in on number"
POSTS = {
    "a cold morning first snow": ["firstsnow", "winter"],
    "cake for breakfast": ["birthday"],
    "a song on the guitar": ["guitar"],
    "cold water in the lake": ["lake", "winter"],
}
_TOWER = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def write_parts(folder):
    """Writes `clip/`, `encoder/`, `posts.jsonl`, `hashtags.csv`; gives their paths by the arguments of `compose`."""
    torch.manual_seed(0)
    tokenizer = _tokenizer()
    sizes = {"vocab_size": len(tokenizer), "max_position_embeddings": 32}
    clip = CLIPConfig(
        text_config={**_TOWER, **sizes, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0},
        vision_config={**_TOWER, "image_size": 32, "patch_size": 16},
        projection_dim=16,
    )
    CLIPModel(clip).save_pretrained(folder / "clip")
    tokenizer.save_pretrained(folder / "clip")
    preprocessor = {"size": 32, "crop_size": 32, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "clip" / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    TextEncoder(BertModel(BertConfig(**_TOWER, **sizes)), tokenizer).save_pretrained(folder / "encoder")
    posts = [{"description": words, "hashtags": tags} for words, tags in POSTS.items()]
    (folder / "posts.jsonl").write_text("".join(json.dumps(post) + "\n" for post in posts))
    table = "".join(f"#{tag},{count}\n" for tag, count in HASHTAGS.items())
    (folder / "hashtags.csv").write_text(f"hashtag,count\n{table}")
    names = {"retriever": "clip", "text_encoder": "encoder", "posts": "posts.jsonl", "hashtags": "hashtags.csv"}
    return {argument: str(folder / name) for argument, name in names.items()}


def _tokenizer():
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *WORDS.split(), "[END]"])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.TemplateProcessing("$A [END]", None, [("[END]", vocabulary["[END]"])])
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "eos_token": "[END]"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=32, **special)
