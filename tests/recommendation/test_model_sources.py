"""The sources that ask models: the bundled demonstration, and a classifier with random weights."""

import pytest
import torch
from transformers import BertConfig

from transformers_ggm import (
    GGMForHashtagClassification,
    GGMForHashtagGeneration,
    GGMProcessor,
    HashtagClassifierConfig,
    HashtagPool,
    HashtagRetriever,
    HashtagRetrieverProcessor,
)
from transformers_ggm.data.classifier_collator import DataCollatorForHashtagClassification
from transformers_ggm.pipelines import DEMO_CHECKPOINT
from transformers_ggm.recommendation import ClassifierSource, Clues, GeneratorSource, PoolSource


@pytest.fixture(scope="module")
def processor():
    return GGMProcessor.from_pretrained(DEMO_CHECKPOINT)


@pytest.fixture(scope="module")
def pool_source():
    retriever = HashtagRetriever.from_pretrained(DEMO_CHECKPOINT, subfolder="retriever").eval()
    retriever_processor = HashtagRetrieverProcessor.from_pretrained(DEMO_CHECKPOINT, subfolder="retriever")
    pool = HashtagPool.from_pretrained(DEMO_CHECKPOINT, subfolder="hashtag_pool", retriever=retriever)
    return PoolSource(pool, retriever, retriever_processor)


def frames_of(size):
    return torch.randint(0, 256, (2, 3, size["height"], size["width"]), dtype=torch.uint8)


@pytest.fixture
def rows(pool_source, processor):
    frames = frames_of(pool_source.processor.video_processor.crop_size)
    return [Clues("a red circle", frames=frames), Clues(), Clues(frames=frames)]


def test_pool_of_a_retriever(pool_source, rows):
    """Would fail if the published guidance could not be had as a source."""
    found = pool_source.candidates(rows, k=5)
    assert [len(row) for row in found] == [5, 0, 5]
    assert all(candidate.hashtag in pool_source.pool for candidate in found[0])
    assert [c.score for c in found[0]] == sorted((c.score for c in found[0]), reverse=True)


def test_generator_writes_candidates(processor, pool_source, rows):
    """Would fail if what the generator writes, guided, were no candidates, or had no probabilities."""
    model = GGMForHashtagGeneration.from_pretrained(DEMO_CHECKPOINT)
    frames = frames_of(processor.video_processor.crop_size)
    rows = [Clues("a red circle", frames=frames), Clues(), Clues(frames=frames)]
    guidance = pool_source if frames.shape == rows[0].frames.shape else None
    source = GeneratorSource(model, processor, guidance, num_beams=2, num_return_sequences=2, max_new_tokens=24)
    found = source.candidates(rows, k=4)
    assert found[0] and found[1] == [] and len(found[0]) <= 4
    assert all(0 < candidate.score <= 1 for row in found for candidate in row)
    alone = source.candidates(rows[:1], k=4)[0]
    assert [candidate.hashtag for candidate in alone] == [candidate.hashtag for candidate in found[0]]


def test_classifier_gives_its_classes(processor):
    """Would fail if a classifier's probabilities were given to other hashtags, or an empty row had some."""
    config = HashtagClassifierConfig(
        text_config=BertConfig(
            vocab_size=len(processor.tokenizer),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
        ),
        id2label={0: "snow", 1: "lake", 2: "song"},
    )
    model = GGMForHashtagClassification(config)
    with torch.no_grad():
        model.classifier.bias.copy_(torch.tensor([0.0, 5.0, 2.0]))
    collator = DataCollatorForHashtagClassification(config.hashtags, tokenizer=processor.tokenizer)
    found = ClassifierSource(model, collator).candidates([Clues("a circle"), Clues()], k=2)
    assert [candidate.hashtag for candidate in found[0]] == ["lake", "song"] and found[1] == []
    assert 0.9 < found[0][0].score < 1
