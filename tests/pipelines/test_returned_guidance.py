"""What a call of the pipeline tells of its guidance, and a pool for one call alone."""

import pytest
import torch
from transformers import pipeline

from transformers_ggm import HashtagPool
from transformers_ggm.errors import CheckpointError, InputError, RetrieverMismatchError

WORDS = "twelve hours on the highway"


@pytest.fixture(scope="module")
def suggest(checkpoint):
    return pipeline("hashtag-generation", model=str(checkpoint), device="cpu")


@pytest.fixture
def grown(suggest):
    """A copy of the pipeline's pool with one hashtag more."""
    pool = suggest.hashtag_pool.copy()
    pool.add(["newtrend"], suggest.retriever, suggest.retriever_processor, progress_bar=False)
    return pool


def similarities(suggest, path):
    """Cosine similarities of a clip and the pool's hashtags, by hand."""
    with torch.no_grad():
        video = suggest.retriever.get_video_features(**suggest.retriever_processor(videos=[path])).pooler_output[0]
        hashtags = suggest.hashtag_pool.hashtags
        vectors = suggest.retriever.get_hashtag_features(
            **suggest.retriever_processor(hashtags=hashtags)
        ).pooler_output
    scores = torch.nn.functional.cosine_similarity(vectors, video[None])
    return {f"#{tag}": score for tag, score in zip(hashtags, scores.tolist())}


def test_guidance_comes_with_its_similarities(suggest, sounding):
    """
    Would fail if other hashtags were told than the nearest ones, scores were swapped, or the suggestions changed.
    """
    for path in sounding:
        result = suggest(path, description=WORDS, return_guidance=True)
        assert result["hashtags"] == suggest(path, description=WORDS)
        expected = sorted(similarities(suggest, path).items(), key=lambda item: -item[1])[:4]
        assert [tag["hashtag"] for tag in result["guidance"]] == [tag for tag, _ in expected]
        assert [tag["score"] for tag in result["guidance"]] == pytest.approx(
            [score for _, score in expected], abs=2e-3
        )


def test_batches_keep_rows_apart(suggest, sounding, tmp_path):
    """Would fail if a row got its neighbour's guidance, or a row without any, or a skipped one, another form."""
    items = [
        {"video": sounding[0]},
        {"description": WORDS},
        {"video": tmp_path / "missing.mp4"},
        {"video": sounding[1]},
    ]
    rows = suggest(items, batch_size=4, on_error="skip", return_guidance=True)
    assert rows[2] == {"hashtags": [], "guidance": []}
    assert rows[1]["hashtags"] and not rows[1]["guidance"]
    for row, item in ((rows[0], items[0]), (rows[3], items[3])):
        alone = suggest(item, return_guidance=True)["guidance"]
        assert [tag["hashtag"] for tag in row["guidance"]] == [tag["hashtag"] for tag in alone]
    assert len(suggest(items[0], return_guidance=True, num_guidance=2)["guidance"]) == 2
    assert suggest(items[0], return_guidance=True, num_guidance=0)["guidance"] == []


def test_guidance_that_was_cut_off_is_not_told(suggest, sounding, monkeypatch):
    """Would fail if hashtags that found no room beside the description were told as seen."""
    everything = suggest(sounding[0], return_guidance=True)["guidance"]
    room = len(suggest.processor.tokenizer("", everything[0]["hashtag"])["input_ids"]) + 2
    monkeypatch.setattr(suggest.processor, "max_text_length", room)
    told = suggest(sounding[0], return_guidance=True)["guidance"]
    assert 0 < len(told) < len(everything)
    assert told == everything[: len(told)]


def test_telling_costs_no_second_pass(suggest, sounding, monkeypatch):
    """Would fail if the clip were decoded, or seen by the retriever, once more for what is told."""
    calls = []
    for owner, name in ((suggest.retriever, "get_query_features"), (suggest.processor.video_processor, "decode")):
        original = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda *args, original=original, name=name, **kw: calls.append(name) or original(*args, **kw)
        )
    suggest(sounding[0], return_guidance=True)
    assert sorted(calls) == ["decode", "get_query_features"]


def test_a_pool_for_one_call(suggest, sounding, grown, monkeypatch):
    """Would fail if a call ignored its own pool for guidance or novelty, or left it behind for the next call."""
    monkeypatch.setattr(suggest.processor, "num_guidance", 7)
    own = {tag["hashtag"] for tag in suggest(sounding[0], return_guidance=True)["guidance"]}
    told = {tag["hashtag"] for tag in suggest(sounding[0], return_guidance=True, hashtag_pool=grown)["guidance"]}
    assert told - own == {"#newtrend"} and "newtrend" not in suggest.hashtag_pool
    assert {tag["hashtag"] for tag in suggest(sounding[0], return_guidance=True)["guidance"]} == own
    unguided = suggest(sounding[0], num_guidance=0)
    novel = next(tag["hashtag"] for tag in unguided if tag["novel"])
    grown.add([novel], suggest.retriever, suggest.retriever_processor, progress_bar=False)
    marks = {tag["hashtag"]: tag["novel"] for tag in suggest(sounding[0], num_guidance=0, hashtag_pool=grown)}
    assert marks[novel] is False


def test_streams_keep_the_pool_of_their_call(suggest, sounding, grown, monkeypatch):
    """Would fail if a stream that is read later used the pool of a newer call."""
    monkeypatch.setattr(suggest.processor, "num_guidance", 7)
    first = suggest(iter([sounding[0]]), return_guidance=True, hashtag_pool=grown)
    suggest(sounding[0])
    assert "#newtrend" in {tag["hashtag"] for tag in next(iter(first))["guidance"]}


def test_pools_that_do_not_fit_are_refused(suggest, sounding, checkpoint):
    """Would fail if vectors of another retriever were searched, or a folder's name ended in an obscure error."""
    other = HashtagPool(["snow"], torch.ones(1, suggest.hashtag_pool.embeddings.shape[1]), None, "another")
    with pytest.raises(RetrieverMismatchError):
        suggest(sounding[0], hashtag_pool=other)
    with pytest.raises(InputError, match=r"hashtag_pool.*str"):
        suggest(sounding[0], hashtag_pool=str(checkpoint / "hashtag_pool"))


def test_a_pipeline_without_a_pool_takes_one_for_a_call(checkpoint, sounding, suggest):
    """Would fail if a pool were needed beforehand, or novelty were told by no pool at all."""
    without = pipeline("hashtag-generation", model=str(checkpoint), retriever=suggest.retriever, device="cpu")
    without._hashtag_pool = None
    with pytest.raises(CheckpointError, match="without retriever or hashtag pool"):
        without(sounding[0])
    assert without(sounding[0], hashtag_pool=suggest.hashtag_pool) == suggest(sounding[0])
