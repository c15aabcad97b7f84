"""Similar posts as examples in the prompts of an instructed language model."""

import json

import pytest
from composed_parts import POSTS, write_parts
from instructed_samples import write_llama
from transformers import pipeline

from transformers_ggm import InstructedForHashtagGeneration, InstructedProcessor, PostIndex
from transformers_ggm.cli import main
from transformers_ggm.errors import InputError, SourceError
from transformers_ggm.pipelines.compose import CheckpointComposition, compose_checkpoint
from transformers_ggm.recommendation import Clues, GeneratorSource, Recommender

ITEMS = [
    {"description": "the first snow of a cold morning"},
    {"description": "my new guitar", "language": "en"},
    {"description": "qwerty"},
    {"description": "cold water in the lake", "transcript": "look at the lake"},
]


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    return write_parts(folder) | {"generator": str(write_llama(folder / "llama"))}


@pytest.fixture(scope="module")
def starter(parts, tmp_path_factory):
    """A language model beside posts whose words are kept."""
    chosen = {name: parts[name] for name in ("generator", "posts")}
    return compose_checkpoint(
        CheckpointComposition(**chosen, num_examples=2), tmp_path_factory.mktemp("starter") / "starter"
    )


@pytest.fixture
def prompts(monkeypatch):
    """What the language model is asked, a row each, in the order in which it is."""
    asked = []
    generate = InstructedForHashtagGeneration.generate

    def noting(self, *args, **kwargs):
        for ids, mask in zip(kwargs["input_ids"], kwargs["attention_mask"]):
            asked.append(ids[mask.bool()].tolist())
        return generate(self, *args, **kwargs)

    monkeypatch.setattr(InstructedForHashtagGeneration, "generate", noting)
    return asked


def load(folder):
    return pipeline("hashtag-generation", model=str(folder), device="cpu", max_new_tokens=2)


def by_hand(starter, items, guidance):
    """The prompts with the posts that the index finds, written down as a user of the processor would."""
    processor = InstructedProcessor.from_pretrained(starter)
    index = PostIndex.from_pretrained(starter / "posts")
    texts = ["\n".join(filter(None, (item["description"], item.get("transcript")))) for item in items]
    found = [posts[:2][::-1] for posts in index.search(texts, k=4, by="sparse")]
    words = {tuple(tags): text for text, tags in POSTS.items()}
    prompts = []
    for item, posts, tags in zip(items, found, guidance):
        examples = [(words[post.hashtags], post.hashtags) for post in posts]
        columns = {"text": [item["description"]], "guidance": [tags], "examples": [examples]}
        columns |= {name: [item.get(name)] for name in ("transcript", "language")}
        prompts.append(processor(**columns)["input_ids"][0].tolist())
    return prompts, found


def test_prompts_are_those_made_by_hand(starter, prompts):
    """Would fail if examples were not the most similar posts, came in another order or to another row, or a batch
    were asked otherwise than its rows alone."""
    suggest = load(starter)
    told = suggest(ITEMS, batch_size=4, return_guidance=True)
    together = list(prompts)
    guidance = [[tag["hashtag"] for tag in row["guidance"]] for row in told]
    expected, found = by_hand(starter, ITEMS, guidance)
    assert together == expected and [len(posts) for posts in found] == [2, 1, 0, 2]
    prompts.clear()
    for item in ITEMS:
        suggest(item)
    assert prompts == expected
    text = suggest.processor.tokenizer.decode(expected[0])
    assert text.index("#firstsnow #winter") < text.index("wrote: the first snow of"), "the most similar one comes last"
    assert text.rindex("wrote: a cold morning first snow") > text.index("up to 8 hashtags")


def test_none_without_words_or_wish(starter, parts, prompts, tmp_path):
    """Would fail if a processor that asks for no examples got some, or posts without words were examples."""
    suggest = load(starter)
    suggest.processor.num_examples = 0
    suggest(ITEMS[0])
    chosen = {name: parts[name] for name in ("generator", "posts")}
    silent = load(compose_checkpoint(CheckpointComposition(**chosen), tmp_path / "silent"))
    assert not silent.recommender.sources[0].index.stores_text
    silent.processor.num_examples = 3
    silent(ITEMS[0])
    assert prompts[0] == prompts[1] and "cold water" not in suggest.processor.tokenizer.decode(prompts[0])


def test_what_is_left_out_is_no_example(starter, prompts):
    """Would fail if a blocked hashtag reached the model by an example, or an example without hashtags were shown."""
    suggest = load(starter)
    suggest(ITEMS[0], blocked=["winter", "lake"])
    text = suggest.processor.tokenizer.decode(prompts[0])
    assert "a cold morning first snow" in text and "#firstsnow" in text
    assert "winter" not in text and "cold water" not in text


def test_as_a_source(starter, prompts):
    """Would fail if a ranker were fitted on what the generator writes to other prompts than the pipeline's."""
    load(starter)(ITEMS, batch_size=4)
    expected = sorted(prompts)
    prompts.clear()
    source = next(each for each in Recommender.from_pretrained(starter).sources if each.name == "generator")
    assert isinstance(source, GeneratorSource)
    source.generate_kwargs = {"max_new_tokens": 2}
    source.candidates([Clues(**item) for item in ITEMS], 5)
    assert sorted(prompts) == expected


def test_examples_that_cannot_be_sought(starter, monkeypatch):
    """Would fail if a failing search for examples were no error of ours, or ended a call that is to go on."""
    suggest = load(starter)
    posts = next(source for source in suggest.recommender.sources if source.name == "posts_sparse")
    monkeypatch.setattr(posts, "similar_posts", lambda *args, **kwargs: 1 / 0)
    monkeypatch.setattr(posts, "candidates", lambda rows, k: [[] for _ in rows])
    with pytest.raises(SourceError, match="failed to give examples"):
        suggest(ITEMS[0])
    assert isinstance(suggest(ITEMS[0], on_error="skip"), list)


def test_composed(parts, starter, tmp_path, capsys):
    """Would fail if the command did not keep the words of posts where they are examples, the card did not say so, or
    examples that nobody could be shown were asked for in vain."""
    folder = tmp_path / "starter"
    command = ["compose", "--posts", parts["posts"], "--generator", parts["generator"], "--num_examples", "2"]
    assert main([*command, "--output_dir", str(folder)]) == 0
    assert InstructedProcessor.from_pretrained(folder).num_examples == 2
    assert PostIndex.from_pretrained(folder / "posts").stores_text
    assert "The words of the posts are stored" in (folder / "README.md").read_text()
    assert json.loads((folder / "composition.json").read_text())["num_examples"] == 2
    for wrong in ({"posts": None}, {"generator": None}, {"num_examples": -1}):
        given = {"posts": parts["posts"], "generator": parts["generator"], "hashtags": "starter", "num_examples": 2}
        with pytest.raises(InputError, match="num_examples"):
            CheckpointComposition(**{**given, **wrong})


def test_a_ggm_is_shown_none(parts, checkpoint, tmp_path):
    """Would fail if examples were asked for of a model that reads none."""
    given = {"posts": parts["posts"], "generator": str(checkpoint), "num_examples": 2}
    with pytest.raises(InputError, match="is a GGM"):
        compose_checkpoint(CheckpointComposition(**given), tmp_path / "starter")
