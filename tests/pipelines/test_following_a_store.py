"""A pipeline whose pool follows a store that is written to by another connection, as by another process."""

import time

import pytest

pytest.importorskip("sqlalchemy", reason="pip install transformers-ggm[store]")
pytest.importorskip("ahocorasick_rs", reason="pip install transformers-ggm[store]")

from transformers import pipeline

from transformers_ggm import DEMO_CHECKPOINT, HashtagPool
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.retrieval.pool_commands import load_retriever
from transformers_ggm.retrieval.pool_store import PoolReader, PoolStore


def wait_for(is_so, seconds=30):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def test_what_is_added_elsewhere_is_recommended_and_what_is_blocked_vanishes(tmp_path):
    """Would fail if a pipeline had to be restarted, or showed a blocked hashtag because the model wrote it."""
    url = f"sqlite:///{tmp_path}/pool.db"
    elsewhere = PoolStore(url)
    elsewhere.put(HashtagPool.from_pretrained(DEMO_CHECKPOINT, subfolder="hashtag_pool"))
    recipe = sample_recipes("test", 19)[18]
    render_clip(recipe, tmp_path / "clip.mp4")
    with PoolReader(PoolStore(url)) as reader:
        suggest = pipeline("hashtag-generation", hashtag_pool=reader.pool, device="cpu")

        def shown(**asked):
            answer = suggest(
                str(tmp_path / "clip.mp4"),
                description=recipe.description,
                return_guidance=True,
                return_removed=True,
                **asked,
            )
            return {part: [tag["hashtag"] for tag in answer[part]] for part in ("hashtags", "guidance", "removed")}

        assert "#brownarrow" not in shown()["hashtags"] and suggest(str(tmp_path / "clip.mp4"), top_n=1)
        elsewhere.add(["#BrownArrow"], *load_retriever(str(DEMO_CHECKPOINT)))
        wait_for(lambda: "brownarrow" in reader.pool)
        assert shown()["hashtags"][0] == shown(prefer_pool="only")["hashtags"][0] == "#brownarrow"
        elsewhere.block(["brown?rrow"])
        wait_for(lambda: reader.blocks)
        for answer in (shown(), shown(blocked=["elsewhere"]), shown(hashtag_pool=reader.pool.copy())):
            assert "#brownarrow" not in [*answer["hashtags"], *answer["guidance"]]
            assert "#brownarrow" in answer["removed"]
        elsewhere.block(["*"], everything=True)
        wait_for(lambda: len(reader.blocks) == 2)
        assert shown()["hashtags"] == []
        elsewhere.unblock(["*", "brown?rrow"])
        wait_for(lambda: not reader.blocks)
        assert shown()["hashtags"][0] == "#brownarrow"
