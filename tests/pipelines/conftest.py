"""A whole checkpoint with random weights, and clips for it."""

import pytest
import torch
from checkpoint_samples import POOL_HASHTAGS, SCRATCH, write_hashtags_often

from transformers_ggm import GGMForHashtagGeneration, HashtagPool, HashtagRetriever
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.modeling import make_lora_config


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A checkpoint folder: model, processor, retriever and pool; four hashtags of guidance."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoint")
    descriptions = ["cake for breakfast because I am a year older", "twelve hours on the highway"]
    processor, retriever_processor = SCRATCH.processors(
        descriptions, POOL_HASHTAGS, num_guidance=4, max_text_length=96, max_target_length=24
    )
    model = GGMForHashtagGeneration(SCRATCH.generator_config(processor.tokenizer, fusion_init="normal"))
    write_hashtags_often(model, processor.tokenizer)
    retriever = HashtagRetriever(SCRATCH.retriever_config(retriever_processor.tokenizer)).eval()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    retriever.save_pretrained(folder / "retriever")
    retriever_processor.save_pretrained(folder / "retriever")
    counts = {tag: count for count, tag in enumerate(POOL_HASHTAGS, start=1)}
    HashtagPool.build(counts, retriever, retriever_processor, progress_bar=False).save_pretrained(
        folder / "hashtag_pool"
    )
    return folder


@pytest.fixture(scope="session")
def adapter(checkpoint, tmp_path_factory):
    """An adapter of the checkpoint, alone in its folder, that changes what is written."""
    peft = pytest.importorskip("peft", reason="peft is not installed: it may want an older transformers")
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("adapter")
    base = GGMForHashtagGeneration.from_pretrained(checkpoint)
    adapted = peft.get_peft_model(base, make_lora_config(base, fusion="lora", r=2))
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.5)
    adapted.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Four rendered clips of 32 pixels, of unequal length, the last one silent: recipes by path."""
    folder = tmp_path_factory.mktemp("clips")
    candidates = sample_recipes("train", 60)
    sounding = [recipe for recipe in candidates if recipe.sound is not None][:3]
    silent = [recipe for recipe in candidates if recipe.sound is None][:1]
    recipes = {str(folder / f"{recipe.id}.mp4"): recipe for recipe in sounding + silent}
    for path, recipe in recipes.items():
        render_clip(recipe, path, size=32)
    return recipes


@pytest.fixture
def sounding(clips):
    return [path for path, recipe in clips.items() if recipe.sound is not None]


@pytest.fixture
def silent(clips):
    return next(path for path, recipe in clips.items() if recipe.sound is None)
