"""Hashtags nearest to videos, descriptions and both."""

import pytest
import torch

from transformers_ggm import HashtagPool, HashtagRetriever, HashtagRetrieverConfig, HashtagRetrieverProcessor
from transformers_ggm.processing import GGMVideoProcessor
from transformers_ggm.retrieval.nearest import has_query, nearest_hashtags, scored_nearest_hashtags
from transformers_ggm.training.from_scratch import train_tokenizer

HASHTAGS = ["snow", "rain", "lake", "dog", "cat", "song", "jazz"]
TOWER = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
NOISE = torch.Generator().manual_seed(0)
VIDEOS = [torch.randint(0, 256, (frames, 3, 16, 16), dtype=torch.uint8, generator=NOISE) for frames in (2, 3)]
ROWS = [
    (VIDEOS[0], "first snow of the year"),
    (None, "the dog and the cat #dog"),
    (VIDEOS[1], "#only #hashtags"),
    (None, ""),
    (VIDEOS[1], "a song"),
]


@pytest.fixture(scope="module")
def processor():
    tokenizer = train_tokenizer([words for _, words in ROWS], HASHTAGS, 300)
    return HashtagRetrieverProcessor(GGMVideoProcessor(size={"shortest_edge": 16}), tokenizer)


def make_retriever(query, tokenizer):
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 1}
    text = {**TOWER, **special, "vocab_size": len(tokenizer), "max_position_embeddings": 40}
    vision = {**TOWER, "image_size": 16, "patch_size": 8}
    backbone = {"model_type": "clip", "text_config": text, "vision_config": vision, "projection_dim": 8}
    return HashtagRetriever(HashtagRetrieverConfig(backbone, query=query)).eval()


def by_hand(retriever, processor, video, words, k):
    """Nearest hashtags of one row, from the parts that the query names."""
    inputs = {}
    if video is not None and retriever.config.query != "text":
        inputs |= processor(videos=[video])
    if not has_query("text", None, words) or retriever.config.query == "video":
        words = None
    vectors = []
    with torch.no_grad():
        if inputs:
            vectors.append(retriever.get_video_features(**inputs).pooler_output[0])
        if words is not None:
            tokens = processor(text=words)
            vectors.append(retriever.get_description_features(*tokens.values()).pooler_output[0])
        hashtags = retriever.get_hashtag_features(**processor(hashtags=HASHTAGS)).pooler_output.half().float()
    if not vectors:
        return []
    scores = hashtags @ sum(vectors)
    return [HASHTAGS[i] for i in scores.argsort(descending=True)[:k]]


@pytest.mark.parametrize("query", ["video", "text", "video+text"])
def test_every_row_gets_its_own(processor, query):
    """Would fail if a row were answered by another row's clip or words, or one without a query by chance."""
    retriever = make_retriever(query, processor.tokenizer)
    pool = HashtagPool.build(HASHTAGS, retriever, processor, progress_bar=False)
    videos, descriptions = zip(*ROWS)
    found = nearest_hashtags(videos, descriptions, retriever, processor, pool, 3)
    assert found == [by_hand(retriever, processor, *row, 3) for row in ROWS]
    assert [bool(tags) for tags in found] == [has_query(query, *row) for row in ROWS]
    # One row alone, also where its batch then has no clip or no words at all.
    alone = [nearest_hashtags([video], [words], retriever, processor, pool, 3)[0] for video, words in ROWS]
    assert alone == found


def test_more_than_the_pool_has(processor):
    """Would fail if a small pool ended in an error in place of all that it has."""
    retriever = make_retriever("text", processor.tokenizer)
    pool = HashtagPool.build(HASHTAGS, retriever, processor, progress_bar=False)
    (found,) = nearest_hashtags([None], ["a song"], retriever, processor, pool, 100)
    assert sorted(found) == sorted(HASHTAGS)
    assert nearest_hashtags([None], ["#song"], retriever, processor, pool, 100) == [[]]


def test_scores_are_cosine_similarities(processor):
    """Would fail if scores belonged to other rows or hashtags, or depended on the length of the vectors."""
    retriever = make_retriever("video", processor.tokenizer)
    pool = HashtagPool.build(HASHTAGS, retriever, processor, progress_bar=False)
    videos, descriptions = zip(*ROWS)
    found = scored_nearest_hashtags(videos, descriptions, retriever, processor, pool, 3)
    with torch.no_grad():
        hashtags = retriever.get_hashtag_features(**processor(hashtags=HASHTAGS)).pooler_output
        for row, video in zip(found, videos):
            if video is None:
                assert row == []
                continue
            vector = retriever.get_video_features(**processor(videos=[video])).pooler_output
            cosine = torch.nn.functional.cosine_similarity(vector, hashtags).tolist()
            assert [score for _, score in row] == pytest.approx(
                [cosine[HASHTAGS.index(tag)] for tag, _ in row], abs=2e-3
            )
