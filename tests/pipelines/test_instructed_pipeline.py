"""The pipeline with an instructed language model at the top of the checkpoint."""

import shutil

import pytest
import torch
from instructed_samples import WRITERS, video, write_llama
from transformers import pipeline

from transformers_ggm import DEMO_CHECKPOINT, InstructedForHashtagGeneration, InstructedProcessor
from transformers_ggm.generation.instructed_writing import instructed_hashtags
from transformers_ggm.recommendation import FrequentSource, GeneratorSource, Guidance, Recommender, WordsSource

TAGS = "#snow#lake#winter"


def write_checkpoint(folder, writer, **settings):
    """An instructed model beside the bundled retriever and pool."""
    source = writer(folder / "language_model")
    model = InstructedForHashtagGeneration.from_language_model_pretrained(source, max_new_tokens=12)
    processor = InstructedProcessor.from_language_model_pretrained(
        source, takes_images=model.config.takes_images, num_frames=2, num_guidance=3, **settings
    )
    checkpoint = folder / "checkpoint"
    for part in ("retriever", "hashtag_pool"):
        shutil.copytree(f"{DEMO_CHECKPOINT}/{part}", checkpoint / part)
    model.save_pretrained(checkpoint)
    processor.save_pretrained(checkpoint)
    return checkpoint


@pytest.fixture(scope="module", params=WRITERS)
def checkpoint(request, tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("instructed"), WRITERS[request.param])


@pytest.fixture(autouse=True)
def answers(monkeypatch):
    """Random weights write nothing that is read: the letters of three hashtags are put in place of what they chose."""
    generate = InstructedForHashtagGeneration.generate

    def written(self, *args, **kwargs):
        output = generate(self, *args, **kwargs)
        count = output.sequences.shape[1] - kwargs["input_ids"].shape[1]
        ids = torch.tensor(written.tokenizer(TAGS, add_special_tokens=False)["input_ids"])[:count]
        answer = output.sequences[:, -count:]
        answer[:] = self.generation_config.pad_token_id
        answer[:, : len(ids)] = ids
        return output

    monkeypatch.setattr(InstructedForHashtagGeneration, "generate", written)
    return written


ITEMS = [
    {"video": video(3).permute(0, 2, 3, 1).numpy(), "description": "first snow"},
    {"description": "a walk around the lake"},
    {"video": video(5, 40, 24).permute(0, 2, 3, 1).numpy()},
]


def test_answers(checkpoint, answers):
    """Would fail if a batch, the order of items, guidance or frames did not reach the language model as they are."""
    suggest = pipeline("hashtag-generation", model=str(checkpoint), max_new_tokens=40)
    answers.tokenizer = suggest.processor.tokenizer
    found = suggest(ITEMS, batch_size=2, return_guidance=True)
    alone = [suggest(item, return_guidance=True) for item in ITEMS]
    model, processor = suggest.model, suggest.processor
    for item, together, by_itself in zip(ITEMS, found, alone):
        guidance = [tag["hashtag"] for tag in together["guidance"]]
        assert len(guidance) == (3 if "video" in item else 0), "the bundled retriever goes by the video"
        assert guidance == [tag["hashtag"] for tag in by_itself["guidance"]]
        frames = None if "video" not in item else processor.video_processor.frames_of(item["video"])
        columns = {"text": [item.get("description")], "guidance": [guidance], "videos": [frames]}
        expected = instructed_hashtags(model, processor, columns, max_new_tokens=40)[0]
        assert {tag["hashtag"][1:]: tag["score"] for tag in together["hashtags"]} == pytest.approx(expected, abs=1e-4)
        assert expected.keys() == {"snow", "lake", "winter"}
        assert {tag["hashtag"] for tag in by_itself["hashtags"]} == {f"#{tag}" for tag in expected}
        assert all(tag["guided"] == (tag["hashtag"] in guidance) for tag in together["hashtags"])


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("plain"), write_llama)


def test_arguments(plain, answers):
    """Would fail if arguments of a call did nothing with a language model, or were refused."""
    suggest = pipeline("hashtag-generation", model=str(plain))
    answers.tokenizer = suggest.processor.tokenizer
    item = {"description": "first snow", "transcript": "look at the snow", "language": "en"}
    assert len(suggest(item, top_n=1, max_new_tokens=40)) == 1
    assert suggest(item, max_new_tokens=1) == []
    assert suggest(item, num_guidance=0, max_new_tokens=40, return_guidance=True)["guidance"] == []
    assert suggest(item, max_hashtags=1, max_new_tokens=40)
    best = suggest(item, num_beams=2, num_return_sequences=2, max_new_tokens=40)
    assert [tag["score"] for tag in best] == sorted((tag["score"] for tag in best), reverse=True)
    assert suggest(item, min_score=1.0, max_new_tokens=40) == []


def test_saved_again(plain, answers, tmp_path):
    """Would fail if the whole pipeline, saved and loaded, answered otherwise."""
    suggest = pipeline("hashtag-generation", model=str(plain), max_new_tokens=40)
    answers.tokenizer = suggest.processor.tokenizer
    suggest.save_pretrained(tmp_path)
    again = pipeline("hashtag-generation", model=str(tmp_path), max_new_tokens=40)
    assert again(ITEMS[1]) == suggest(ITEMS[1])


def test_recommender(plain, answers, tmp_path):
    """Would fail if a recommender's fused guidance did not reach the prompt, or its generator were another model."""
    suggest = pipeline("hashtag-generation", model=str(plain), max_new_tokens=40, num_guidance=2)
    answers.tokenizer = suggest.processor.tokenizer
    counts = {"snow": 5, "dog": 2}
    guidance = Guidance(["frequent", "words"], {"frequent": 1.0, "words": 1.0})
    generator = GeneratorSource(suggest.model, suggest.processor, max_new_tokens=40)
    recommender = Recommender([FrequentSource(counts), WordsSource(counts), generator], None, counts, 10, guidance)
    joined = pipeline(
        "hashtag-generation", model=suggest.model, processor=suggest.processor, recommender=recommender,
        max_new_tokens=40,
    )  # fmt: skip
    answer = joined({"description": "my dog", "screen_text": "vet"}, return_guidance=True)
    assert [tag["hashtag"] for tag in answer["guidance"]] == ["#dog", "#snow"]
    assert all("generator" in tag["sources"] for tag in answer["hashtags"])
    joined.save_pretrained(tmp_path)
    loaded = Recommender.from_pretrained(tmp_path)
    source = next(source for source in loaded.sources if source.name == "generator")
    assert isinstance(source.model, InstructedForHashtagGeneration)
    assert isinstance(source.processor, InstructedProcessor)
