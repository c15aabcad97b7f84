"""Pipelines of checkpoints that recommend from all that is known, with and without a ranker."""

import json
import shutil
from unittest.mock import Mock

import pytest
import torch
from checkpoint_samples import POOL_HASHTAGS
from transformers import pipeline

from transformers_ggm import HashtagPool, HashtagRetriever, HashtagRetrieverProcessor, PostIndex
from transformers_ggm.cli import main
from transformers_ggm.errors import CheckpointError, InputError, RankerError, SourceError
from transformers_ggm.pipelines import ggm_writing
from transformers_ggm.pipelines.inputs import load_item, read_fields
from transformers_ggm.recommendation import (
    Candidate,
    CandidateSource,
    Clues,
    FrequentSource,
    GeneratorSource,
    Guidance,
    HashtagRanker,
    HashtagRankerConfig,
    HistorySource,
    PoolSource,
    PostsSource,
    Recommender,
    WordsSource,
    clues_of,
)
from transformers_ggm.retrieval import DescriptionEncoder

WORDS = {
    "birthday": "cake for breakfast because I am a year older",
    "roadtrip": "twelve hours on the highway",
    "spin": "it goes round and round",
    "redcircle": "a red circle on a wall",
}
GUIDANCE = Guidance(["pool", "posts_sparse", "words"], {"pool": 0.1, "posts_sparse": 1.0, "words": 0.5})


def posts(numbers):
    return [
        {"id": f"{tag}{number}", "description": f"{words} day {number}", "hashtags": [tag, "daily"]}
        for number in numbers
        for tag, words in WORDS.items()
    ]


def recommending(checkpoint, folder, sources, guidance=GUIDANCE, fit=True):
    """A copy of a checkpoint that recommends."""
    folder = shutil.copytree(checkpoint, folder)
    known = posts(range(10))
    index = PostIndex.build(known)
    counts = index.hashtag_counts()
    made = {
        "posts": lambda: PostsSource(index, "sparse"),
        "words": lambda: WordsSource.build(known),
        "history": HistorySource,
        "frequent": lambda: FrequentSource(counts),
    }
    own = [made[name]() for name in sources if name in made]
    Recommender(own, counts=counts).save_pretrained(folder)
    file = folder / "recommendation.json"
    description = json.loads(file.read_text())
    stored = {entry["source"]: entry for entry in description["sources"]}
    description["sources"] = [stored.get(name, {"source": name}) for name in sources]
    description["guidance"] = guidance and guidance.to_dict()
    file.write_text(json.dumps(description))
    if fit:
        recommender, new = Recommender.from_pretrained(folder), posts(range(20, 35))
        recommender.fit(clues_of(new), [post["hashtags"] for post in new])
        recommender.save_pretrained(folder)
    return folder


ALL = ("pool", "posts", "words", "history", "frequent", "generator")


@pytest.fixture(scope="module")
def ranked(checkpoint, tmp_path_factory):
    """A checkpoint with all sources and a ranker."""
    return recommending(checkpoint, tmp_path_factory.mktemp("ranked") / "checkpoint", ALL)


@pytest.fixture(scope="module")
def suggest(ranked):
    return pipeline("hashtag-generation", model=str(ranked), device="cpu")


def close(answers):
    return [{**answer, "score": pytest.approx(answer["score"], abs=1e-4)} for answer in answers]


def test_answers_are_those_of_the_recommender(suggest, ranked, sounding):
    """Would fail if the pipeline's candidates, guidance or ranking were not those that the recommender, which asks its
    sources one by one, comes to: what it was fitted with."""
    processor = suggest.processor
    items = [
        {"video": sounding[0], "description": WORDS["birthday"], "history": ["#spin", ["toronto", "spin"]]},
        {"description": WORDS["roadtrip"], "transcript": "a red circle", "time": "2026-06-01T00:00:00Z"},
        {"description": "", "history": ["cats"], "user": "somebody"},
    ]
    rows = []
    for item in items:
        loaded = load_item(read_fields(item, clues={}), processor, processor.video_processor)
        rows.append(loaded["clues"])
    expected = Recommender.from_pretrained(ranked).recommend(rows, top_n=30)
    found = suggest(items, top_n=30, batch_size=3)
    assert [[answer["hashtag"][1:] for answer in row] for row in found] == [
        [answer.hashtag for answer in row] for row in expected
    ]
    for row, of_row in zip(found, expected):
        assert [answer["sources"] for answer in row] == [list(answer.sources) for answer in of_row]
        assert [answer["score"] for answer in row] == pytest.approx([answer.score for answer in of_row], abs=1e-3)
    assert {"toronto", "cats"} <= {answer["hashtag"][1:] for row in found for answer in row}
    assert list(found[0][0]) == ["hashtag", "score", "novel", "guided", "sources"]


def test_posts_of_the_last_hour_are_found_by_the_next_call(ranked):
    """Would fail if what was just posted were found after a restart alone, or not called known."""
    suggest = pipeline("hashtag-generation", model=str(ranked), device="cpu")
    item = {"description": "an eclipse over the harbour", "country": "CA"}
    assert "#eclipse2026" not in {answer["hashtag"] for answer in suggest(item, min_score=0.0)}
    new = {"description": "eclipse at the harbour", "hashtags": ["#Eclipse2026"], "time": "2026-06-01T00:00:00Z"}
    suggest.recommender.observe([new])
    (found,) = [answer for answer in suggest(item, min_score=0.0) if answer["hashtag"] == "#eclipse2026"]
    assert "posts_sparse" in found["sources"] and not found["novel"]


def test_how_many_are_shown(suggest):
    """Would fail if the number by expected F1, `top_n` or `min_score` did not decide what is shown."""
    item = {"description": WORDS["spin"]}
    everything = suggest(item, min_score=0.0)
    scores = [answer["score"] for answer in everything]
    assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)
    assert suggest(item, top_n=3) == everything[:3]
    assert suggest(item, min_score=0.5) == [answer for answer in everything if answer["score"] >= 0.5]
    best = suggest(item)
    assert best == everything[: len(best)] and 1 <= len(best) < len(everything)
    assert {answer["hashtag"] for answer in best} == {"#spin", "#daily"}


def test_marks_of_an_answer(suggest):
    """Would fail if an answer said of a hashtag that is known that it is novel, or named other guidance."""
    answer = suggest({"description": WORDS["spin"]}, min_score=0.0, return_guidance=True)
    guidance = {tag["hashtag"] for tag in answer["guidance"]}
    by_tag = {tag["hashtag"]: tag for tag in answer["hashtags"]}
    known = {f"#{tag}" for tag in POOL_HASHTAGS} | {"#daily"}
    assert all(tag["novel"] == (name not in known) for name, tag in by_tag.items())
    assert all(tag["guided"] == (name in guidance) for name, tag in by_tag.items())
    assert any(tag["novel"] and tag["sources"] == ["generator"] for tag in by_tag.values())
    assert guidance == {"#spin", "#daily"} and "posts_sparse" in by_tag["#spin"]["sources"]


def test_fused_guidance_is_what_the_model_sees(suggest, monkeypatch):
    """Would fail if the guidance that is told were not the fused candidates, or not those that were in the text."""
    item, shown = {"description": WORDS["roadtrip"]}, []
    kind = type(suggest.processor)
    original = kind.__call__
    monkeypatch.setattr(
        kind, "__call__", lambda *args, **kwargs: shown.append(kwargs.get("guidance")) or original(*args, **kwargs)
    )
    answer = suggest(item, return_guidance=True)
    row, recommender = [Clues(item["description"])], suggest.recommender
    found = {
        source.name: source.candidates(row, recommender.k)
        for source in recommender.sources
        if source.name in GUIDANCE.sources
    }
    expected = GUIDANCE.fused(found, 4)[0]
    assert [(tag["hashtag"][1:], tag["score"]) for tag in answer["guidance"]] == [
        (candidate.hashtag, pytest.approx(candidate.score)) for candidate in expected
    ]
    assert shown == [[[candidate.hashtag for candidate in expected]]]


def test_explanations(suggest):
    """Would fail if what the features added were not what makes up the ranker's logit."""
    item = {"description": WORDS["birthday"]}
    plain, answers = suggest(item, top_n=2), suggest(item, top_n=2, explain=True)
    assert [{**answer, "explanation": None} for answer in answers] == [{**row, "explanation": None} for row in plain]
    ranker = suggest.recommender.ranker
    for answer in answers:
        parts = answer["explanation"]
        assert set(parts) == set(ranker.config.features)
        added = [part["added"] for part in parts.values()]
        assert [abs(value) for value in added] == sorted(map(abs, added), reverse=True)
        values = torch.tensor([[parts[name]["value"] for name in ranker.config.features]])
        assert ranker(values).item() == pytest.approx(sum(added) + ranker.output.bias.item(), abs=1e-3)


def test_explanations_of_a_hidden_layer(suggest, monkeypatch):
    """Would fail if gradients, by which a net explains itself, could not be taken of what the pipeline computed."""
    recommender = suggest.recommender
    config = HashtagRankerConfig(features=recommender.ranker.config.features, hidden_size=4)
    monkeypatch.setattr(recommender, "ranker", HashtagRanker(config).eval())
    answers = suggest({"description": WORDS["birthday"]}, top_n=2, explain=True)
    assert all(set(answer["explanation"]) == set(config.features) for answer in answers)


def test_nothing_runs_twice(suggest, sounding, monkeypatch):
    """Would fail if a source searched, encoded or decoded again what the pipeline has already."""
    calls = []

    def counted(owner, name):
        original = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *args, **kwargs: calls.append(name) or original(*args, **kwargs))

    counted(type(suggest.processor), "decode_media")
    counted(suggest.model, "generate")
    counted(suggest.retriever, "get_query_features")
    counted(PostIndex, "search")
    monkeypatch.setattr(PoolSource, "candidates", Mock(side_effect=AssertionError))
    monkeypatch.setattr(GeneratorSource, "candidates", Mock(side_effect=AssertionError))
    items = [{"video": path, "description": WORDS["spin"]} for path in sounding[:2]]
    assert all(suggest(items, batch_size=2))
    assert sorted(calls) == ["decode_media"] * 2 + ["generate", "get_query_features", "search"]


@pytest.mark.parametrize("options", [{"batch_size": 3}, {"num_workers": 2, "batch_size": 2}])
def test_batches_and_workers(suggest, sounding, options):
    """Would fail if rows of a batch were mixed up, or the clues got lost on their way through processes."""
    items = [
        {"video": sounding[0], "history": [{"hashtags": ["#Cats"], "time": "2026-01-01T00:00:00Z"}]},
        {"video": sounding[1], "description": WORDS["birthday"]},
        {"transcript": WORDS["spin"]},
    ]
    alone = [suggest(item, top_n=5) for item in items]
    assert "#cats" in {answer["hashtag"] for answer in suggest(items[0], min_score=0.0)}
    assert suggest(items, top_n=5, **options) == [close(row) for row in alone]


def test_clues_of_the_call(suggest):
    """Would fail if clues beside the items counted otherwise than those in them, or overruled them."""
    item = {"description": WORDS["spin"]}
    history = ["toronto"]
    inside = suggest({**item, "history": history, "language": "en"}, top_n=9)
    assert suggest(item, history=history, language="en", top_n=9) == inside
    assert suggest([item, item], history=history, top_n=9) == [close(inside)] * 2
    each = suggest([item, {**item, "transcript": "birthday"}], transcript=["red circle", "spin"], min_score=0.0)
    words = [{a["hashtag"] for a in row if "words" in a["sources"]} for row in each]
    assert "#redcircle" in words[0] and "#birthday" in words[1] and "#redcircle" not in words[1]
    with pytest.raises(InputError, match="2 items"):
        suggest([item, item], transcript=["one"])


def test_bad_clues(suggest, sounding):
    """Would fail if a time without zone, or a history of what is no hashtag, worsened answers without a word."""
    for clues in ({"time": "2026-01-01T00:00:00"}, {"history": ["two words"]}, {"history": 5}, {"transcript": 3}):
        with pytest.raises(InputError):
            suggest({"description": "x", **clues})
        with pytest.raises(InputError):
            suggest({"description": "x"}, **clues)
    items = [{"description": "x", "time": "soon"}, {"description": WORDS["spin"]}]
    found = suggest(items, on_error="skip")
    assert found[0] == [] and found[1] and [name for name, _ in suggest.skipped] == ["item 0"]
    with pytest.raises(InputError, match="no video"):
        suggest({"language": "en"})
    with pytest.raises(InputError, match="min_score"):
        suggest(items[1], min_score=2)


def test_without_guidance(suggest, ranked):
    """Would fail if guidance could not be switched off where there is a recommender."""
    item = {"description": WORDS["spin"]}
    answer = suggest(item, num_guidance=0, return_guidance=True)
    assert answer["guidance"] == [] and not any(tag["guided"] for tag in answer["hashtags"])
    assert "#spin" in {tag["hashtag"] for tag in answer["hashtags"]}
    made = pipeline("hashtag-generation", model=str(ranked), device="cpu", num_guidance=0)
    assert made(item) == answer["hashtags"]


def test_hashtags_that_are_new(ranked, sounding, tmp_path):
    """Would fail if an added hashtag were not proposed where its words stand, counted as novel, or lost in saving."""
    suggest = pipeline("hashtag-generation", model=str(ranked), device="cpu")
    item = {"video": sounding[0], "description": "the world cup is round"}

    def answer(of=suggest):
        return {tag["hashtag"]: tag for tag in of(item, min_score=0.0)}.get("#worldcup")

    assert answer() is None or answer()["sources"] == ["generator"]
    suggest.add_hashtags(["#WorldCup"])
    assert "words" in answer()["sources"] and "pool" in answer()["sources"] and answer()["novel"] is False
    suggest.save_pretrained(tmp_path / "saved")
    assert answer(pipeline("hashtag-generation", model=str(tmp_path / "saved"), device="cpu")) == answer()
    suggest.remove_hashtags(["worldcup"])
    assert answer() is None or answer()["sources"] == ["generator"]


def test_saving_and_loading(suggest, tmp_path):
    """Would fail if a saved pipeline lacked a part, or answered otherwise."""
    suggest.save_pretrained(tmp_path / "saved")
    saved = {file.name for file in (tmp_path / "saved").iterdir()}
    assert {"recommendation.json", "posts", "words", "ranker", "retriever", "hashtag_pool", "config.json"} <= saved
    again = pipeline("hashtag-generation", model=str(tmp_path / "saved"), device="cpu")
    item = {"description": WORDS["roadtrip"], "history": ["cats"]}
    assert again(item, explain=True) == suggest(item, explain=True)


class Failing(CandidateSource):
    name = "history"
    evidence = HistorySource.evidence

    def candidates(self, rows, k):
        raise RuntimeError("out of order")


def test_a_source_that_fails(ranked, caplog):
    """Would fail if one source took all others with it although it may be skipped, or were not named."""
    suggest = pipeline("hashtag-generation", model=str(ranked), device="cpu", sources=[Failing()])
    item = {"description": WORDS["spin"], "history": ["cats"]}
    with pytest.raises(SourceError, match="'history' failed"):
        suggest(item)
    found = suggest(item, on_error="skip")
    assert "'history' failed" in caplog.text and "#spin" in {answer["hashtag"] for answer in found}
    assert suggest.skipped == []


def test_without_the_recommender(ranked, checkpoint):
    """Would fail if a checkpoint that recommends could not be had as GGM alone."""
    plain = pipeline("hashtag-generation", model=str(checkpoint), device="cpu")
    without = pipeline("hashtag-generation", model=str(ranked), device="cpu", recommender=False)
    items = [{"description": words, "time": "12:30", "history": 5} for words in WORDS.values()]
    assert without(items, return_guidance=True) == plain(items, return_guidance=True)
    assert plain.recommender is None
    with pytest.raises(InputError, match="ranker"):
        plain(items[0], explain=True)
    given = pipeline("hashtag-generation", model=str(checkpoint), device="cpu", recommender=str(ranked))
    own = pipeline("hashtag-generation", model=str(ranked), device="cpu")
    item = {"description": WORDS["spin"]}
    assert given(item) == own(item)
    with pytest.raises(InputError, match="recommender"):
        pipeline("hashtag-generation", model=str(checkpoint), device="cpu", recommender=3)


def test_clues_without_a_recommender_are_told(checkpoint, caplog):
    """Would fail if somebody gave a history to a checkpoint that does not look at it, and never learned that."""
    plain = pipeline("hashtag-generation", model=str(checkpoint), device="cpu")
    item = {"description": WORDS["spin"]}
    assert plain(item, history=["cats"]) == plain(item)
    assert "no recommendation.json" in caplog.text


def test_a_recommender_as_an_object(checkpoint):
    """Would fail if a recommender that is loaded, with its own pool and retriever, could not be used as it is."""
    plain = pipeline("hashtag-generation", model=str(checkpoint), device="cpu")
    pool = PoolSource(plain.hashtag_pool, plain.retriever, plain.retriever_processor)
    recommender = Recommender([pool, WordsSource({"spin": 1})], guidance=Guidance(["words", "pool"]))
    suggest = pipeline("hashtag-generation", model=str(checkpoint), device="cpu", recommender=recommender)
    assert suggest.retriever is plain.retriever and suggest.hashtag_pool is plain.hashtag_pool
    answer = suggest({"description": "spin it"}, return_guidance=True)
    assert answer["guidance"][0]["hashtag"] == "#spin"


def test_without_a_ranker(checkpoint, tmp_path):
    """Would fail if recommendation without a ranker changed scores, or did not guide the model."""
    folder = recommending(checkpoint, tmp_path / "fused", ALL, fit=False)
    suggest = pipeline("hashtag-generation", model=str(folder), device="cpu")
    item = {"description": WORDS["roadtrip"]}
    answer = suggest(item, return_guidance=True)
    shown = [tag["hashtag"][1:] for tag in answer["guidance"]]
    assert "roadtrip" in shown[:2] and "daily" in shown[:3]
    model, processor = suggest.model, suggest.processor
    written = GeneratorSource(model, processor, Fixed(shown)).candidates([Clues(item["description"])], 50)[0]
    assert [(tag["hashtag"][1:], pytest.approx(tag["score"], abs=1e-4)) for tag in answer["hashtags"]] == [
        (candidate.hashtag, candidate.score) for candidate in written
    ]
    for tag in answer["hashtags"]:
        assert tag["sources"][-1] == "generator" and ("history" in tag["sources"]) is False
    with pytest.raises(InputError, match="ranker"):
        suggest(item, explain=True)
    lowest = min(tag["score"] for tag in answer["hashtags"])
    assert len(suggest(item, min_score=lowest + 1e-6)) < len(answer["hashtags"])


class Fixed(CandidateSource):
    name = "fixed"

    def __init__(self, hashtags):
        self.hashtags = hashtags

    def candidates(self, rows, k):
        return [[Candidate(tag, 1.0) for tag in self.hashtags] for _ in rows]


def test_a_ranker_that_has_no_use_for_the_generator(checkpoint, tmp_path):
    """Would fail if the generator, the dearest part, ran for nothing, or a checkpoint without retriever and pool did
    not recommend."""
    sources = ("posts", "words", "history")
    folder = recommending(checkpoint, tmp_path / "few", sources, guidance=Guidance(["words"]))
    shutil.rmtree(folder / "retriever")
    shutil.rmtree(folder / "hashtag_pool")
    suggest = pipeline("hashtag-generation", model=str(folder), device="cpu")
    suggest.model.generate = Mock(side_effect=AssertionError)
    answers = suggest([{"description": WORDS["spin"]}, {"description": WORDS["birthday"]}], batch_size=2)
    assert [{answer["hashtag"] for answer in row} for row in answers] == [{"#spin", "#daily"}, {"#birthday", "#daily"}]
    assert not any(answer["guided"] or answer["novel"] for row in answers for answer in row)
    suggest.add_hashtags({"new": 2})
    assert "#new" in {answer["hashtag"] for answer in suggest({"description": "new"}, min_score=0.0)}


def test_checkpoints_that_do_not_fit_together(ranked, tmp_path):
    """Would fail if parts that do not belong together, or are damaged, were only found out by worse answers."""
    folder = shutil.copytree(ranked, tmp_path / "other")
    file = folder / "recommendation.json"
    description = json.loads(file.read_text())
    for change, error, message in (
        ({"sources": description["sources"][:-1]}, RankerError, "other sources"),
        ({"sources": [*description["sources"], {"source": "mine"}]}, SourceError, "mine"),
        ({"k": None}, CheckpointError, "'k'"),
    ):
        file.write_text(json.dumps({**description, **change}))
        with pytest.raises(error, match=message):
            pipeline("hashtag-generation", model=str(folder), device="cpu")
    file.write_text("{")
    with pytest.raises(CheckpointError, match="not JSON"):
        pipeline("hashtag-generation", model=str(folder), device="cpu")
    shutil.rmtree(folder / "hashtag_pool")
    file.write_text(json.dumps(description))
    with pytest.raises(CheckpointError, match="hashtag_pool"):
        pipeline("hashtag-generation", model=str(folder), device="cpu")


def test_stored_arguments_of_the_generator(ranked, tmp_path, monkeypatch):
    """Would fail if the generator wrote otherwise than when the ranker was fitted, whatever a call says."""
    folder = shutil.copytree(ranked, tmp_path / "beams")
    file = folder / "recommendation.json"
    file.write_text(file.read_text().replace('"source": "generator"', '"source": "generator", "num_beams": 3'))
    suggest = pipeline("hashtag-generation", model=str(folder), device="cpu")
    seen, original = [], ggm_writing.search_arguments
    monkeypatch.setattr(ggm_writing, "search_arguments", lambda *args: seen.append(dict(args[3])) or original(*args))
    suggest({"description": "x"})
    suggest({"description": "x"}, num_beams=1)
    assert [decoding["num_beams"] for decoding in seen] == [3, 1]


def test_tagging_a_folder(ranked, clips, tmp_path, capsys):
    """Would fail if the command did not read what metadata say of a clip, made no history of earlier rows, or showed a
    row its own or later hashtags."""
    folder = tmp_path / "clips"
    folder.mkdir()
    rows = []
    for number, path in enumerate(list(clips)[:3]):
        shutil.copy(path, folder / f"{number}.mp4")
        time = f"2026-01-0{number + 1}T00:00:00Z"
        rows.append({"file_name": f"{number}.mp4", "user": "a", "time": time, "hashtags": [f"#own{number}", "?"]})
    rows[0] |= {"transcript": "a red circle", "description": WORDS["spin"]}
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["tag", str(folder), "--model", str(ranked), "--device", "cpu", "--num_workers", "0"]
    assert main([*command, "--output", str(tmp_path / "tags.jsonl"), "--min_score", "0", "--explain"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "tags.jsonl").read_text().splitlines()]
    found = [{answer["hashtag"]: answer for answer in line["hashtags"]} for line in lines]
    assert "words" in found[0]["#redcircle"]["sources"] and "explanation" in found[0]["#redcircle"]
    owned = [{tag for tag in row if tag.startswith("#own")} for row in found]
    assert owned == [set(), {"#own0"}, {"#own0", "#own1"}]
    suggest = pipeline("hashtag-generation", model=str(ranked), device="cpu")
    item = {"video": str(folder / "0.mp4"), "description": WORDS["spin"], "transcript": "a red circle"}
    expected = suggest({**item, "time": rows[0]["time"]}, min_score=0.0)
    assert [answer["score"] for answer in lines[0]["hashtags"]] == pytest.approx(
        [answer["score"] for answer in expected], abs=1e-4
    )
    (folder / "metadata.jsonl").write_text(json.dumps({**rows[0], "time": "yesterday"}) + "\n")
    capsys.readouterr()
    assert main([*command, "--output", str(tmp_path / "others.jsonl")]) == 1
    assert "metadata.jsonl, line 1: the time 'yesterday'" in capsys.readouterr().err
    assert main([*command, "--output", str(tmp_path / "others.jsonl"), "--min_score", "7"]) == 1


def test_the_retriever_reads_a_description_once(checkpoint, tmp_path, monkeypatch):
    """Would fail if posts and pool, searched by vectors of one encoder, each had the description encoded."""
    folder = shutil.copytree(checkpoint, tmp_path / "text")
    config = folder / "retriever" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "query": "text"}))
    retriever = HashtagRetriever.from_pretrained(folder / "retriever")
    processor = HashtagRetrieverProcessor.from_pretrained(folder / "retriever")
    pool = PoolSource(HashtagPool.from_pretrained(folder / "hashtag_pool"), retriever, processor)
    index = PostIndex.build(posts(range(3)), DescriptionEncoder(retriever, processor))
    Recommender([pool, PostsSource(index)], guidance=Guidance(["pool", "posts_dense"])).save_pretrained(folder)
    suggest = pipeline("hashtag-generation", model=str(folder), device="cpu")
    calls, original = [], suggest.retriever.get_description_features
    monkeypatch.setattr(
        suggest.retriever,
        "get_description_features",
        lambda ids, *args, **kwargs: calls.append(len(ids)) or original(ids, *args, **kwargs),
    )
    items = [{"description": WORDS["spin"]}, {"description": WORDS["roadtrip"]}, {"history": ["cats"]}]
    together = suggest(items, batch_size=3, return_guidance=True)
    assert calls == [3] and together[2]["guidance"] == []
    for item, answer in zip(items, together):
        row = [Clues(**item)]
        found = {source.name: source.candidates(row, 50) for source in suggest.recommender.sources}
        assert [tag["hashtag"][1:] for tag in answer["guidance"]] == [
            candidate.hashtag for candidate in suggest.recommender.guidance.fused(found, 4)[0]
        ]
    calls.clear()
    suggest({**items[0], "transcript": "other words for the posts"})
    assert calls == [1, 1]


def test_frames_of_a_classifier(suggest, sounding):
    """Would fail if a classifier that looks at other frames than the generator were shown the generator's."""
    processor = suggest.processor
    other = type(processor.video_processor)(size={"shortest_edge": 48}, crop_size=48, num_frames=2)
    fields = read_fields({"video": sounding[0]}, clues={})
    loaded = load_item(fields, processor, None, classifier_video_processor=other)
    assert loaded["frames"].shape[-1] == 32 and loaded["retriever_frames"] is None
    assert loaded["clues"].frames.shape[-2:] == (48, 48) and loaded["clues"].sound.ndim == 1
    same = load_item(fields, processor, None)
    assert same["clues"].frames is same["frames"]


def test_sources_without_a_place(checkpoint):
    """Would fail if sources of one's own were left out without a word."""
    with pytest.raises(InputError, match="take the place"):
        pipeline("hashtag-generation", model=str(checkpoint), device="cpu", sources=[HistorySource()])
