"""A generator and a retriever that read what is said and written in clips, without any recommender."""

import json
import shutil

import pytest
from test_clip_reading import Screen, Speech
from test_recommending_pipeline import WORDS
from transformers import pipeline

from transformers_ggm import GGMProcessor, HashtagRetriever, HashtagRetrieverProcessor
from transformers_ggm.errors import InputError
from transformers_ggm.pipelines.tag_folder import tag_folder

GIVEN = {"transcript": WORDS["roadtrip"], "screen_text": WORDS["birthday"]}


@pytest.fixture(scope="module")
def folder(checkpoint, tmp_path_factory):
    """The checkpoint with a generator that reads all texts, and was trained with those that something read."""
    folder = tmp_path_factory.mktemp("reading") / "checkpoint"
    shutil.copytree(checkpoint, folder)
    processor = GGMProcessor.from_pretrained(folder)
    processor.transcript_share, processor.screen_text_share = 0.2, 0.2
    processor.text_reading = {"read_speech": "whisper-of-training", "screen_frames": 2, "min_log_probability": -0.4}
    processor.save_pretrained(folder)
    return folder


def suggest_by(folder, **options):
    return pipeline("hashtag-generation", model=str(folder), device="cpu", **options)


def text_of(suggest, monkeypatch, item, **options):
    """The text that the generator is given for an item."""
    seen = []
    encode = type(suggest.model.get_encoder()).forward

    def noting(module, input_ids=None, *args, **kwargs):
        seen.append(suggest.processor.tokenizer.decode(input_ids[0], skip_special_tokens=True))
        return encode(module, input_ids, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(type(suggest.model.get_encoder()), "forward", noting)
        suggest(item, **options)
    return seen[0]


def test_given_texts_reach_the_generator(folder, checkpoint, monkeypatch):
    """Would fail if the pipeline showed the generator other words than training did, or those to one without use."""
    suggest = suggest_by(folder)
    assert suggest.used_clues == ("transcript", "screen_text", "language")
    item = {"description": WORDS["spin"], **GIVEN}
    text = text_of(suggest, monkeypatch, item, num_guidance=0)
    places = [text.index(words) for words in (WORDS["spin"], GIVEN["transcript"], GIVEN["screen_text"])]
    assert places == sorted(places)
    batch = suggest.processor(
        text=[item["description"]], transcript=[item["transcript"]], screen_text=[item["screen_text"]]
    )
    assert text == suggest.processor.tokenizer.decode(batch["input_ids"][0], skip_special_tokens=True)
    # Given for all of a call, and of each item, is the same.
    given_to_all = [{"description": WORDS["spin"]}, {"description": WORDS["spin"]}]
    assert suggest(given_to_all, **GIVEN) == [suggest(item)] * 2
    plain = suggest_by(checkpoint)
    assert plain.used_clues == ()
    assert text_of(plain, monkeypatch, item, num_guidance=0) == WORDS["spin"]


def test_words_of_a_clip_alone_are_enough(folder):
    """Would fail if an item of a transcript alone were refused, though the generator reads it, or history were taken
    for something to go by."""
    suggest = suggest_by(folder)
    assert suggest({"transcript": WORDS["roadtrip"]}, num_guidance=0) is not None
    with pytest.raises(InputError):
        suggest({"history": ["#spin"], "description": ""})


def test_clips_are_read_for_a_generator(folder, sounding, monkeypatch):
    """Would fail if readers needed a recommender, or read what the generator is not then shown."""
    speech, screen = Speech(), Screen()
    suggest = suggest_by(folder, speech=speech, screen_text=screen)
    text = text_of(suggest, monkeypatch, sounding[0], num_guidance=0)
    assert text.index(WORDS["roadtrip"]) < text.index(WORDS["birthday"])
    assert suggest(sounding[0]) == suggest_by(folder)({"video": sounding[0], **GIVEN})
    assert len(speech.heard) == len(screen.seen) == 2


def test_readers_are_those_of_training(folder, monkeypatch):
    """Would fail if speech were believed by other thresholds than those of the transcripts that were learned from."""
    from transformers_ggm.pipelines import clip_reading

    asked = {}
    monkeypatch.setattr(clip_reading, "load_speech_reader", lambda name, **options: asked.update(options) or Speech())
    monkeypatch.setattr(clip_reading, "ScreenReader", lambda options: asked.update(screen=options) or Screen())
    suggest_by(folder, speech="whisper-tiny", screen_text=True)
    assert asked["thresholds"].min_log_probability == -0.4 and asked["screen"].num_frames == 2


def test_missing_texts_are_told(folder, caplog, monkeypatch):
    """Would fail if nobody learned why a model that was trained with speech does badly, or was told where it is
    there."""
    from transformers_ggm.pipelines import suggesting

    told = []
    monkeypatch.setattr(suggesting.logger, "warning_once", told.append)
    suggest = suggest_by(folder)
    suggest({"description": WORDS["spin"], **GIVEN})
    assert told == []
    suggest([{"description": WORDS["spin"]}, {"description": WORDS["spin"], **GIVEN}], batch_size=2)
    assert told == []
    suggest({"description": WORDS["spin"], "transcript": WORDS["roadtrip"]})
    assert len(told) == 1 and "screen_text=True" in told[0]
    suggest_by(folder, screen_text=Screen())({"description": WORDS["spin"]})
    assert "speech='whisper-of-training'" in told[1] and len(told) == 2


def test_guidance_is_told_as_it_is_shown(folder):
    """Would fail if hashtags were told to have guided that a long transcript left no room for."""
    suggest = suggest_by(folder)
    suggest.processor.max_text_length = 24
    item = {"description": WORDS["spin"], "transcript": WORDS["roadtrip"] * 20}
    shown = suggest(item, return_guidance=True)["guidance"]
    alone = suggest({"description": ""} | {"transcript": "a"}, return_guidance=True)["guidance"]
    assert len(shown) <= len(alone)


def test_files_of_a_folder(folder, sounding, tmp_path, monkeypatch):
    """Would fail if `ggm tag` left out what a clip's metadata says of its speech."""
    clips = tmp_path / "clips"
    clips.mkdir()
    shutil.copy(sounding[0], clips / "a.mp4")
    (clips / "metadata.jsonl").write_text(json.dumps({"file_name": "a.mp4", "transcript": WORDS["roadtrip"]}) + "\n")
    suggest = suggest_by(folder)
    seen = []
    preprocess = suggest.preprocess
    monkeypatch.setattr(
        suggest, "preprocess", lambda *args, **kwargs: seen.append(preprocess(*args, **kwargs)) or seen[-1]
    )
    tag_folder(suggest, clips, tmp_path / "tags.jsonl", batch_size=1)
    assert seen[0]["clues"].transcript == WORDS["roadtrip"]


def test_the_retrievers_query(checkpoint, tmp_path):
    """Would fail if a retriever that was trained with transcripts were asked by descriptions alone."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, folder)
    retriever = HashtagRetriever.from_pretrained(folder / "retriever")
    retriever.config.query = "text"
    retriever.save_pretrained(folder / "retriever")
    processor = HashtagRetrieverProcessor.from_pretrained(folder / "retriever")
    processor.query_texts = ["description", "transcript"]
    processor.save_pretrained(folder / "retriever")
    suggest = suggest_by(folder)
    assert suggest.used_clues == ("transcript", "language")
    item = {"description": WORDS["spin"], "transcript": WORDS["roadtrip"]}
    found = suggest(item, return_guidance=True)["guidance"]
    joined = suggest({"description": f"{WORDS['spin']}\n{WORDS['roadtrip']}"}, return_guidance=True)["guidance"]
    assert [(tag["hashtag"], pytest.approx(tag["score"])) for tag in joined] == [
        (tag["hashtag"], tag["score"]) for tag in found
    ]
    alone = suggest({"description": WORDS["spin"]}, return_guidance=True)["guidance"]
    assert [tag["score"] for tag in alone] != [tag["score"] for tag in found]
