"""What the app asks of the package."""

import json
import re
import shutil

import pytest
from app import SpaceApp
from space_server import REPOSITORY
from spoken_names import SPOKEN, whole
from suggester import MOST_EDITS, Suggester, hashtags_in, visitors_message

from transformers_ggm import DEMO_CHECKPOINT, HashtagPool
from transformers_ggm.errors import HashtagError, InputError, MediaError, PoolError
from transformers_ggm.processing import MediaLimits, video_processing_ggm
from transformers_ggm.recommendation import Clues, FrequentSource, Guidance, HistorySource, Recommender


@pytest.fixture(scope="module")
def suggester():
    return Suggester()


def test_answers_are_the_pipelines(suggester, clip, recipe):
    """Would fail if words or options were lost, or other media than the model's were told."""
    expected = suggester.pipeline({"video": str(clip), "description": recipe.description}, return_guidance=True)
    answer = suggester.answer(str(clip), recipe.description)
    assert {"hashtags": answer.hashtags, "guidance": answer.guidance} == expected
    media = suggester.pipeline.processor.decode_media(str(clip))
    assert (answer.media.frames == media.frames).all() and (answer.media.audio == media.audio).all()
    assert suggester.answer(str(clip), recipe.description, top_n=1).hashtags == expected["hashtags"][:1]
    assert suggester.answer(None, recipe.description).media is None


def test_nothing_unsafe_is_shown(suggester, clip):
    """Would fail if the app showed an unsafe hashtag, or its model were guided by one that a visitor added."""
    parts = suggester.pipeline.retriever, suggester.pipeline.retriever_processor
    pool = HashtagPool.build(["th1nspo", "snow"], *parts, progress_bar=False)
    unsafe = suggester.pipeline(str(clip), hashtag_pool=pool, safe=False, return_guidance=True)
    assert {tag["hashtag"] for tag in unsafe["guidance"]} == {"#th1nspo", "#snow"}
    answer = suggester.answer(str(clip), "", pool, blocked=["elsewhere"])
    assert {tag["hashtag"] for tag in answer.guidance} == {"#snow"}


def test_all_languages_go_through(suggester, clip, tmp_path):
    """
    Would fail if a name or words in some script, from right to left or cut in two, could not be answered, or did not
    reach the model as they are.
    """
    answers = [
        suggester.answer(shutil.copy(clip, tmp_path / f"{name}.mp4"), words, num_beams=1)
        for name, words in SPOKEN.items()
    ]
    items = [{"video": answer.media, "description": whole(words)} for answer, words in zip(answers, SPOKEN.values())]
    expected = suggester.pipeline(items, num_beams=1, batch_size=len(items))
    assert [[tag["hashtag"] for tag in answer.hashtags] for answer in answers] == [
        [tag["hashtag"] for tag in tags] for tags in expected
    ]


def test_a_clip_is_decoded_and_encoded_once(suggester, clip, monkeypatch):
    """Would fail if what is shown were read or computed a second time."""
    calls = []
    for owner, name in (
        (video_processing_ggm, "decode_media"),
        (suggester.pipeline.retriever, "get_query_features"),
        (suggester.pipeline.model.get_encoder(), "forward"),
    ):
        original = getattr(owner, name)
        monkeypatch.setattr(
            owner, name, lambda *args, original=original, name=name, **kw: calls.append(name) or original(*args, **kw)
        )
    suggester.answer(str(clip), "first snow")
    assert sorted(calls) == ["decode_media", "forward", "get_query_features"]


def test_a_visitors_pool_is_used_and_kept_apart(suggester, clip):
    """Would fail if a visitor's hashtags were not used, or changed what others get."""
    before, size = suggester.answer(str(clip), ""), len(suggester.pool)
    mine = suggester.edited(None, add="#WhiteFox, #whitewolf")
    told = {tag["hashtag"] for tag in suggester.answer(str(clip), "", mine).guidance}
    assert {"#whitefox", "#whitewolf"} <= told
    later = suggester.edited(mine, remove="whitefox")
    assert "whitefox" in mine and "whitefox" not in later and "whitewolf" in later
    assert len(suggester.pool) == size and suggester.answer(str(clip), "").guidance == before.guidance


def test_edits_that_cannot_be_made(suggester):
    """Would fail if a slip ended in a pool changed in part, or one request could keep the encoder busy for long."""
    mine = suggester.edited(None, add="whitefox")
    for change, error in (
        ({"add": "#fine #2024"}, HashtagError),
        ({"remove": "#snowday2 #whitefox"}, PoolError),
        ({"add": "#fine", "remove": "#unknowntag"}, PoolError),
        ({"add": " ".join(f"tag{number}" for number in range(MOST_EDITS + 1))}, HashtagError),
    ):
        hashtags = mine.hashtags
        with pytest.raises(error):
            suggester.edited(mine, **change)
        assert mine.hashtags == hashtags
    assert suggester.edited(mine, add=" , ") is mine


def test_limits_hold(clip):
    """Would fail if a clip beyond the limits of the app were read."""
    with pytest.raises(MediaError, match=r"1\.0 s allowed"):
        Suggester(limits=MediaLimits(max_seconds=1.0)).answer(str(clip), "")


def test_a_model_without_guidance(clip, tmp_path):
    """Would fail if the app could only show models that have a retriever and a pool."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(DEMO_CHECKPOINT, folder, ignore=shutil.ignore_patterns("retriever", "hashtag_pool"))
    settings = folder / "processor_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "num_guidance": 0}))
    suggester = Suggester(str(folder))
    assert not suggester.can_edit and suggester.pool is None
    space = SpaceApp(suggester, [[str(clip), "first snow"]])
    space.build()
    suggestions, _, guidance, *_ = space.show(str(clip), "first snow")
    assert "data-hashtag" in suggestions and "Nothing was retrieved" in guidance


def test_a_model_that_recommends(clip, tmp_path):
    """Would fail if the app did not hand on history and time, hid what proposed a hashtag, or took a mistyped time for
    an empty page."""
    folder = shutil.copytree(DEMO_CHECKPOINT, tmp_path / "checkpoint")
    history, frequent = HistorySource(), FrequentSource({"lake": 3, "snow": 2})
    recommender = Recommender([history, frequent], counts=frequent.counts, guidance=Guidance(["history", "frequent"]))
    rows = [Clues(history=["cats"] if number % 2 else []) for number in range(60)]
    recommender.fit(rows, [["cats"] if number % 2 else ["lake"] for number in range(60)])
    recommender.save_pretrained(folder)
    space = SpaceApp(Suggester(str(folder)), [[str(clip), ""]])
    assert "how likely each is" in str(space.build().config)
    suggestions, *_ = space.show(None, "a walk", None, "#cats #dogs\n\n#cats", "2026-06-29T16:30:37Z")
    assert 'data-hashtag="#cats"' in suggestions and 'class="sources">history' in suggestions
    assert "has no zone" in space.show(None, "a walk", None, "", "2026-06-29T16:30:37")[0]
    assert "is no hashtag" in space.show(None, "a walk", None, "#2024", "")[0]
    answer = space.suggest_hashtags(description="a walk", history="#cats")
    assert answer["hashtags"][0]["hashtag"] == "#cats" and answer["hashtags"][0]["sources"] == ["history"]


def test_the_documentation_runs_as_written(suggester, clip):
    """Would fail if the lines for Python in the documentation named something that the pipeline does not have."""
    block = re.search(r"```python\n(suggest\(.*?)```", (REPOSITORY / "docs" / "space.md").read_text(), re.DOTALL)[1]
    names = {"suggest": suggester.pipeline, "item": {"video": str(clip)}}
    exec(block, names)
    assert "newtrend" in names["mine"] and "newtrend" not in suggester.pool


def test_nothing_to_go_by(suggester):
    """Would fail if an empty request were answered by chance."""
    with pytest.raises(InputError):
        suggester.answer(None, "#only #hashtags")


def test_hashtags_in_what_visitors_write():
    """
    Would fail if commas, semicolons or line ends stuck to hashtags, or what is no hashtag were left out in silence.
    """
    assert hashtags_in(" #one,two;\n#three\t4 ") == ["#one", "two", "#three", "4"]
    assert hashtags_in(" ,; ") == []


def test_messages_for_visitors(suggester, not_a_clip, clip):
    """Would fail if a visitor saw the server's folders, or advice that only its owner can follow."""
    with pytest.raises(MediaError) as error:
        suggester.answer(str(not_a_clip), "")
    message = visitors_message(error.value, str(not_a_clip))
    assert message.startswith("'notes.mp4' cannot be read") and "/" not in message and "MediaLimits" not in message
    with pytest.raises(MediaError) as error:
        Suggester(limits=MediaLimits(max_seconds=1.0)).answer(str(clip), "")
    message = visitors_message(error.value, str(clip))
    assert message.endswith("pass a shorter clip.") and "'my short.mp4' is at least" in message
