"""Checkpoints that are put together of parts, each of which may be missing."""

import itertools
import json
from dataclasses import asdict

import pytest
from composed_parts import HASHTAGS, POSTS, write_parts
from instructed_samples import write_llama, write_smolvlm
from transformers import AutoModelForSeq2SeqLM, AutoProcessor, pipeline

from transformers_ggm import GGMVideoProcessor
from transformers_ggm.cli import main
from transformers_ggm.errors import CheckpointError, EncoderMismatchError, InputError, OutputError
from transformers_ggm.modeling import InstructedForHashtagGeneration, RetrievalOnlyModel
from transformers_ggm.pipelines.compose import CheckpointComposition, KnownHashtags, compose_checkpoint
from transformers_ggm.processing import ClipProcessor
from transformers_ggm.recommendation import Clues, Recommender

PARTS = ("retriever", "text_encoder", "generator", "posts", "hashtags")


def _is_quick(names):
    return len(names) in (1, len(PARTS)) or (len(names) == 2 and "hashtags" in names)


# A list with each other part, posts alone, and all together, stand for the others in the quick tests.
COMBINATIONS = [
    pytest.param(names, marks=[] if _is_quick(names) else pytest.mark.slow, id="-".join(names))
    for size in range(1, len(PARTS) + 1)
    for names in itertools.combinations(PARTS, size)
    if {"posts", "hashtags"} & set(names)
]
WORDS = "the first snow on the lake"


@pytest.fixture(scope="module")
def parts(checkpoint, tmp_path_factory):
    """By the arguments of `compose`, a part of each kind."""
    return write_parts(tmp_path_factory.mktemp("parts")) | {"generator": str(checkpoint)}


def load(folder):
    return pipeline("hashtag-generation", model=str(folder), device="cpu")


def composed(parts, names, folder):
    return compose_checkpoint(CheckpointComposition(**{name: parts[name] for name in names}), folder)


@pytest.fixture(scope="module")
def retrieving(parts, tmp_path_factory):
    """A checkpoint with everything but a generator."""
    names = ("retriever", "text_encoder", "posts", "hashtags")
    return composed(parts, names, tmp_path_factory.mktemp("retrieving") / "starter")


@pytest.mark.parametrize("names", COMBINATIONS)
def test_each_combination_of_parts(parts, sounding, names, tmp_path):
    """Would fail if a checkpoint lacked what its parts are there for, or answered otherwise when loaded again."""
    suggest = load(composed(parts, names, tmp_path / "starter"))
    sources = {"pool": "retriever", "pool_words": "text_encoder", "posts_sparse": "posts", "generator": "generator"}
    known = {source.name for source in suggest.recommender.sources}
    assert {name for name, part in sources.items() if part in names} == known & set(sources)
    assert {"words", "history"} <= known and suggest.recommender.ranker is None
    items = [{"video": sounding[0]}, {"description": WORDS, "history": ["toronto"]}]
    answers = suggest(items)
    assert answers[1]
    for answer in itertools.chain(*answers):
        assert list(answer) == ["hashtag", "score", "novel", "guided", "sources"]
        assert 0 <= answer["score"] <= 1 and answer["sources"]
        assert answer["novel"] is (answer["hashtag"][1:] not in suggest.recommender.counts)
        assert "generator" in names or not answer["guided"]
    if "generator" not in names:
        assert isinstance(suggest.model, RetrievalOnlyModel) and isinstance(suggest.processor, ClipProcessor)
        assert all(len(row) <= 5 for row in answers) and bool(answers[0]) == ("retriever" in names)
    assert load(tmp_path / "starter")(items) == answers
    suggest.save_pretrained(tmp_path / "again")
    assert load(tmp_path / "again")(items) == answers


def test_what_is_retrieved_is_the_answer(retrieving, sounding):
    """Would fail if, without a generator and a ranker, the answer were not the sources' lists, joined by reciprocal
    ranks, scored by their share of the best possible sum."""
    suggest = load(retrieving)
    items = [{"video": sounding[0], "description": WORDS}, {"description": "cake for breakfast"}]
    answers = suggest(items, top_n=4, batch_size=2)
    rows = [suggest.preprocess(item)["clues"] for item in items]
    sources = [source for source in Recommender.from_pretrained(retrieving).sources if source.name != "frequent"]
    for number, answer in enumerate(answers):
        scores, proposing = {}, {}
        for source in sources:
            for rank, found in enumerate(source.candidates(rows, 50)[number], start=1):
                scores[found.hashtag] = scores.get(found.hashtag, 0) + 1 / (60 + rank)
                proposing.setdefault(found.hashtag, []).append(source.name)
        best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:4]
        assert [(tag["hashtag"][1:], pytest.approx(tag["score"])) for tag in answer] == [
            (hashtag, score * 61 / len(sources)) for hashtag, score in best
        ]
        assert [tag["sources"] for tag in answer] == [proposing[tag["hashtag"][1:]] for tag in answer]


def test_how_many_are_shown(retrieving):
    """Would fail if `top_n` or `min_score` did not decide what is shown of a fused list, or nothing bounded it."""
    suggest = load(retrieving)
    everything = suggest({"description": WORDS}, min_score=0.0)
    assert len(everything) == len(HASHTAGS) and suggest({"description": WORDS}) == everything[:5]
    assert suggest({"description": WORDS}, top_n=2) == everything[:2]
    middle = everything[2]["score"]
    assert suggest({"description": WORDS}, min_score=middle) == [tag for tag in everything if tag["score"] >= middle]
    told = suggest({"description": WORDS}, return_guidance=True)
    assert told == {"hashtags": everything[:5], "guidance": []}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"explain": True}, "needs a ranker"),
        ({"num_beams": 3}, "no generator"),
        ({"max_hashtags": 3}, "no generator"),
        ({"num_guidance": 5}, "num_guidance"),
    ],
)
def test_what_needs_parts_that_are_missing(retrieving, options, message):
    """Would fail if an argument that means nothing without a ranker or generator were taken in silence."""
    with pytest.raises(InputError, match=message):
        load(retrieving)({"description": WORDS}, **options)


def test_nothing_to_answer_by(retrieving):
    """Would fail if a checkpoint without generator were loaded although nothing tells which hashtags are best."""
    with pytest.raises(CheckpointError, match="no generator"):
        pipeline("hashtag-generation", model=str(retrieving), device="cpu", recommender=False)
    model = AutoModelForSeq2SeqLM.from_pretrained(retrieving)
    recommender = Recommender([])
    with pytest.raises(CheckpointError, match="Guidance"):
        pipeline(
            "hashtag-generation", model=model, processor=ClipProcessor(GGMVideoProcessor()), recommender=recommender
        )
    assert isinstance(AutoProcessor.from_pretrained(retrieving), ClipProcessor)


def test_workers_and_devices(retrieving, sounding):
    """Would fail if a pipeline without generator could not be sent to the processes that decode."""
    suggest = load(retrieving)
    items = [{"video": path, "description": WORDS} for path in sounding]
    alone = [[tag["hashtag"] for tag in suggest(item)] for item in items]
    found = suggest(items, num_workers=2, batch_size=2)
    assert [[tag["hashtag"] for tag in row] for row in found] == alone


def test_hashtags_that_are_added(retrieving, sounding):
    """Would fail if hashtags could not be added to, or removed from, what is retrieved."""
    suggest = load(retrieving)
    suggest.add_hashtags(["#TrendOfToday"])
    item = {"video": sounding[0], "description": "trend of today"}
    found = {tag["hashtag"]: tag for tag in suggest(item, min_score=0.0)}["#trendoftoday"]
    assert {"pool", "pool_words", "words"} <= set(found["sources"]) and not found["novel"]
    suggest.remove_hashtags(["trendoftoday"])
    assert "#trendoftoday" not in {tag["hashtag"] for tag in suggest(item, min_score=0.0)}


def test_hashtags_by_their_words(parts, tmp_path):
    """Would fail if capitals, which show where words begin, or counts were lost between the list and the sources."""
    known = KnownHashtags.of({"#FirstSnow": 2, "firstsnow": 1, "lake": 1})
    assert known.counts == {"firstsnow": 3, "lake": 1} and known.spellings == {"FirstSnow": 3, "lake": 1}
    assert known.are_counted and not KnownHashtags.of(["snow", "lake"]).are_counted
    suggest = load(composed(parts, ("text_encoder", "hashtags"), tmp_path / "starter"))
    pool = next(source for source in suggest.recommender.sources if source.name == "pool_words").pool
    assert dict(zip(pool.hashtags, pool.counts)) == {tag.lower(): count for tag, count in HASHTAGS.items()}
    assert suggest({"description": "first snow"}, top_n=1)[0]["sources"] == ["pool_words", "words"]
    assert "frequent" in {source.name for source in suggest.recommender.sources}


def test_hashtags_of_a_pool_and_of_posts(parts, checkpoint, tmp_path):
    """Would fail if the hashtags of a pool, or those of posts where no list is given, were not those recommended."""
    of_pool = asdict(CheckpointComposition(hashtags=str(checkpoint)))
    suggest = load(compose_checkpoint(CheckpointComposition(**of_pool), tmp_path / "pool"))
    assert suggest.recommender.counts["birthday"] == 4 and len(suggest.recommender.counts) == 6
    suggest = load(composed(parts, ("posts",), tmp_path / "posts"))
    assert set(suggest.recommender.counts) == {tag for tags in POSTS.values() for tag in tags}
    assert suggest.recommender.counts["winter"] == 2


def test_an_index_of_posts(parts, tmp_path):
    """Would fail if posts that were indexed before proposed other hashtags than the posts themselves."""
    built = {name: tmp_path / name for name in ("with", "without")}
    for name, encoder in zip(built, (["--text_encoder", parts["text_encoder"]], [])):
        assert main(["posts", "build", parts["posts"], "--output_dir", str(built[name]), *encoder]) == 0
    options = {"text_encoder": parts["text_encoder"], "posts": parts["posts"]}
    suggest = load(compose_checkpoint(CheckpointComposition(**options), tmp_path / "of posts"))
    indexed = load(
        compose_checkpoint(CheckpointComposition(**options | {"posts": str(built["with"])}), tmp_path / "of index")
    )
    assert [source.name for source in indexed.recommender.sources] == [s.name for s in suggest.recommender.sources]
    assert indexed.recommender.counts == suggest.recommender.counts
    rows = [Clues(text) for text in (WORDS, "cake for breakfast")]
    for one, other in zip(indexed.recommender.sources, suggest.recommender.sources):
        if one.name.startswith("posts"):
            assert one.candidates(rows, 4) == other.candidates(rows, 4)
    with pytest.raises(CheckpointError, match="name their encoder"):
        compose_checkpoint(CheckpointComposition(posts=str(built["with"])), tmp_path / "no")
    with pytest.raises(EncoderMismatchError, match=r"made by the encoder \(none\)"):
        compose_checkpoint(CheckpointComposition(**options | {"posts": str(built["without"])}), tmp_path / "no")


def test_parts_that_cannot_be_used(parts, tmp_path):
    """Would fail if a part of the wrong kind, or a folder in use, were found out late, or half a folder were left."""
    with pytest.raises(InputError, match="no hashtags to recommend"):
        CheckpointComposition(retriever=parts["retriever"])
    used = tmp_path / "used"
    used.mkdir()
    (used / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        composed(parts, ("hashtags",), used)
    with pytest.raises(OutputError, match="output_dir"):
        composed(parts, ("hashtags",), used / "notes.txt" / "starter")
    wrong = {"generator": parts["retriever"], "text_encoder": str(used), "retriever": str(tmp_path / "none")}
    for name, value in [*wrong.items(), ("text_encoder", parts["retriever"]), ("generator", parts["text_encoder"])]:
        with pytest.raises(CheckpointError):
            composed({**parts, name: value}, (name, "hashtags"), tmp_path / "starter")
    with pytest.raises((CheckpointError, InputError)):
        composed({**parts, "hashtags": str(tmp_path / "none.txt")}, ("hashtags",), tmp_path / "starter")
    silent = used / "posts.jsonl"
    silent.write_text(json.dumps({"description": "first snow", "hashtags": []}))
    with pytest.raises(InputError, match="no post has a hashtag"):
        composed({**parts, "posts": str(silent)}, ("posts",), tmp_path / "starter")
    assert [path.name for path in tmp_path.iterdir()] == ["used"]


def test_the_command(parts, tmp_path, capsys):
    """Would fail if the command did not write a checkpoint, or did not say how to go on."""
    folder = tmp_path / "starter"
    command = ["compose", "--retriever", parts["retriever"], "--hashtags", parts["hashtags"], "--output_dir"]
    assert main([*command, str(folder)]) == 0
    told = capsys.readouterr().out
    assert f'model="{folder}"' in told and f"--base_checkpoint {folder}" in told
    assert load(folder).retriever.config.query == "video+text"
    assert json.loads((folder / "composition.json").read_text())["parts"] == {
        "retriever": "clip", "hashtags": "hashtags.csv",
    }  # fmt: skip
    card = (folder / "README.md").read_text()
    assert "| retriever | `clip` |" in card and "not a probability" in card and str(tmp_path) not in card
    assert main(["compose", "--output_dir", str(tmp_path / "other")]) == 1
    assert "--hashtags starter" in capsys.readouterr().err


@pytest.mark.parametrize("write", [write_llama, write_smolvlm])
def test_language_models_as_generators(parts, sounding, write, tmp_path):
    """Would fail if an instructed language model, with or without eyes, could not be what writes."""
    write(tmp_path / "model")
    given = {**parts, "generator": str(tmp_path / "model")}
    suggest = load(composed(given, ("text_encoder", "generator", "hashtags"), tmp_path / "starter"))
    assert isinstance(suggest.model, InstructedForHashtagGeneration)
    answer = suggest({"video": sounding[0], "description": WORDS}, max_new_tokens=4, return_guidance=True)
    assert {"#firstsnow", "#lake"} <= {tag["hashtag"] for tag in answer["guidance"]}
    again = load(
        compose_checkpoint(
            CheckpointComposition(generator=str(tmp_path / "starter"), hashtags=parts["hashtags"]), tmp_path / "again"
        )
    )
    assert isinstance(again.model, InstructedForHashtagGeneration)


def test_the_list_of_the_package(tmp_path):
    """Would fail if the list that comes with the package could not be composed with."""
    suggest = load(compose_checkpoint(CheckpointComposition(hashtags="starter"), tmp_path / "starter"))
    found = suggest({"description": "first snow in the park"})
    assert {"#firstsnow", "#park"} <= {tag["hashtag"] for tag in found}
    assert not any(tag["novel"] for tag in found)
