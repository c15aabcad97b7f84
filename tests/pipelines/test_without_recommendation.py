"""Answers of the bundled checkpoint, which has no recommender, computed anew from its parts, without the pipeline."""

import pytest
import torch
from transformers import pipeline

from transformers_ggm import (
    GGMForHashtagGeneration,
    GGMProcessor,
    HashtagPool,
    HashtagRetriever,
    HashtagRetrieverProcessor,
)
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.pipelines import DEMO_CHECKPOINT
from transformers_ggm.processing import extract_hashtags


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    recipe, path = sample_recipes("test", 640)[639], tmp_path_factory.mktemp("clip") / "clip.mp4"
    render_clip(recipe, path)
    return [{"video": str(path), "description": recipe.description}, {"description": "first snow by the lake"}]


@torch.inference_mode()
def guidance_of(item):
    """The hashtags of the pool nearest to the mean of the frames' vectors, and their cosines."""
    if "video" not in item:
        return {}
    retriever = HashtagRetriever.from_pretrained(DEMO_CHECKPOINT, subfolder="retriever").eval()
    processor = HashtagRetrieverProcessor.from_pretrained(DEMO_CHECKPOINT, subfolder="retriever")
    pool = HashtagPool.from_pretrained(DEMO_CHECKPOINT, subfolder="hashtag_pool")
    vector = retriever.get_video_features(**processor(videos=[item["video"]])).pooler_output[0]
    vectors = pool.embeddings.float()
    cosines = torch.nn.functional.cosine_similarity(vectors, vector[None])
    best = cosines.argsort(descending=True)[: GGMProcessor.from_pretrained(DEMO_CHECKPOINT).num_guidance]
    return {pool.hashtags[number]: cosines[number].item() for number in best.tolist()}


@torch.inference_mode()
def scores_of(item, guidance):
    """Hashtags that the model writes, each with the mean probability (geometric) of its own tokens."""
    model = GGMForHashtagGeneration.from_pretrained(DEMO_CHECKPOINT).eval()
    processor = GGMProcessor.from_pretrained(DEMO_CHECKPOINT)
    inputs = processor(videos=[item.get("video")], text=[item["description"]], guidance=[list(guidance)])
    ids = model.generate(**inputs)[0]
    log_probs = model(**inputs, decoder_input_ids=ids[None, :-1]).logits[0].log_softmax(-1)
    written = log_probs.gather(-1, ids[1:, None])[:, 0]
    scores = {}
    for tag, positions in processor.hashtag_spans(ids.tolist()):
        score = written[torch.tensor(positions) - 1].mean().exp().item()
        scores[tag] = max(score, scores.get(tag, 0.0))
    text = processor.tokenizer.decode(ids, skip_special_tokens=True)
    assert set(extract_hashtags(text)) == {f"{tag}" for tag in scores}
    return scores


def test_answers_of_the_bundled_checkpoint(items):
    """Would fail if a checkpoint without new parts were guided, searched, written or scored in another way than Yu et
    al. describe, or its answers had other fields than before."""
    suggest = pipeline("hashtag-generation", device="cpu")
    assert suggest.recommender is None
    pool = HashtagPool.from_pretrained(DEMO_CHECKPOINT, subfolder="hashtag_pool")
    for item in items:
        guidance = guidance_of(item)
        scores = scores_of(item, guidance)
        answer = suggest(item, return_guidance=True)
        told = {tag["hashtag"][1:]: tag["score"] for tag in answer["guidance"]}
        assert list(told) == list(guidance) and told == pytest.approx(guidance, abs=1e-3)
        assert {tag["hashtag"][1:]: tag["score"] for tag in answer["hashtags"]} == pytest.approx(scores, abs=1e-4)
        for tag in answer["hashtags"]:
            assert list(tag) == ["hashtag", "score", "novel", "guided"]
            bare = tag["hashtag"][1:]
            assert (tag["novel"], tag["guided"]) == (bare not in pool, bare in guidance)
