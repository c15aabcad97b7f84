"""Suggestions by the package's own searches are those of `generate`, in fewer passes of the decoder."""

import pytest
import torch
from transformers import GenerationConfig, TemperatureLogitsWarper, pipeline

from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.errors import InputError
from transformers_ggm.generation.search_selection import hashtag_drafts, search_arguments
from transformers_ggm.generation.speculative_decoding import HashtagDrafts, drafted_greedy_search
from transformers_ggm.generation.tree_beam_search import tree_beam_search
from transformers_ggm.pipelines import ggm_writing
from transformers_ggm.retrieval import HashtagPool
from transformers_ggm.retrieval.hashtag_completions import HashtagCompletions


@pytest.fixture(scope="module")
def suggest():
    """The bundled checkpoint."""
    return pipeline("hashtag-generation", device="cpu", dtype=torch.float32)


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    recipes = sample_recipes("test", 6)
    items = [{"video": str(folder / f"{recipe.id}.mp4"), "description": recipe.description} for recipe in recipes]
    for recipe, item in zip(recipes, items):
        render_clip(recipe, item["video"])
    return items


@pytest.fixture
def passes(suggest):
    """Grows by one with every pass of the decoder."""
    passes = []
    hook = suggest.model.lm_head.register_forward_hook(lambda *_: passes.append(1))
    yield passes
    hook.remove()


@pytest.fixture
def without_own_searches(monkeypatch):
    return lambda: monkeypatch.setattr(ggm_writing, "search_arguments", lambda *_: {})


def names(answers):
    return [[tag["hashtag"] for tag in tags] for tags in answers]


def scores(answers):
    return [tag["score"] for tags in answers for tag in tags]


@pytest.mark.parametrize("num_beams, saved", [(1, 0.5), (5, 1.0)])
def test_same_hashtags_in_fewer_passes(suggest, items, passes, without_own_searches, num_beams, saved):
    """
    Would fail if drafts or beams that share a tree changed what is suggested or its scores, alone or in a batch, if
    drafts did not save passes of the decoder, or scores took a pass more although all was computed.
    """
    alone = [suggest(item, num_beams=num_beams) for item in items]
    own = len(passes)
    batch = suggest(items, num_beams=num_beams, batch_size=3)
    without_own_searches()
    passes.clear()
    plain = [suggest(item, num_beams=num_beams) for item in items]
    assert names(alone) == names(plain) == names(batch)
    assert scores(alone) == pytest.approx(scores(plain), abs=1e-4)
    assert scores(batch) == pytest.approx(scores(plain), abs=1e-4)
    assert own <= saved * len(passes) - len(items) * (num_beams > 1)


def test_merged_sequences(suggest, items, without_own_searches):
    """Would fail if several sequences of an item were not scored each with its own tokens."""
    options = {"num_beams": 4, "num_return_sequences": 3, "batch_size": 3}
    own = suggest(items, **options)
    without_own_searches()
    plain = suggest(items, **options)
    assert names(own) == names(plain) and scores(own) == pytest.approx(scores(plain), abs=1e-4)


class OfOneRow:
    """A processor of a caller that says it knows each row by itself."""

    is_of_one_row = True


@pytest.mark.parametrize(
    "decoding, search",
    [
        ({}, tree_beam_search),
        ({"num_beams": 2, "length_penalty": 0.5}, tree_beam_search),
        ({"num_beams": 1}, drafted_greedy_search),
        ({"num_beams": 1, "num_return_sequences": 2}, None),
        ({"num_beams": 1, "do_sample": True}, None),
        ({"do_sample": True}, None),
        ({"num_beams": 1, "top_k": 3}, None),
        ({"cache_implementation": "static"}, None),
        ({"encoder_no_repeat_ngram_size": 2}, None),
        ({"num_beams": 1, "logits_processor": [], "stopping_criteria": []}, drafted_greedy_search),
        ({"num_beams": 1, "logits_processor": [print]}, None),
        ({"num_beams": 1, "logits_processor": [OfOneRow()]}, drafted_greedy_search),
        ({"logits_processor": [OfOneRow(), print]}, None),
        ({"stopping_criteria": [print]}, None),
        ({"num_beams": 1, "prefix_allowed_tokens_fn": print}, None),
        ({"num_beams": 1, "generation_config": GenerationConfig()}, None),
    ],
)
def test_which_search(suggest, decoding, search):
    """Would fail if samples, or what a setting changes otherwise, were replaced by beams or greedy search."""
    arguments = search_arguments(suggest.model, suggest.processor.tokenizer, [["snow"], []], decoding)
    assert arguments.get("custom_generate") is search
    assert ("drafts" in arguments) == (search is drafted_greedy_search)


def test_own_searches_of_a_model_saved_anew(suggest, tmp_path):
    """
    Would fail if what transformers notes in the generation_config.json of a model that was made and not loaded
    (`_from_model_config`) were taken for a setting, so that such checkpoints wrote token by token.
    """
    model = type(suggest.model)(suggest.model.config)
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    for num_beams, search in ((1, drafted_greedy_search), (4, tree_beam_search)):
        arguments = search_arguments(loaded, suggest.processor.tokenizer, [["snow"]], {"num_beams": num_beams})
        assert arguments["custom_generate"] is search


@pytest.mark.contract
@pytest.mark.parametrize("num_beams", [1, 4])
def test_processors_of_a_caller_see_all_rows(suggest, items, num_beams):
    """
    Would fail if a processor, criterion or prefix function that looks at rows were given one row, or those alone that
    are not finished, in the place of all.
    """
    seen, prefixes, vocabulary = [], set(), list(range(suggest.model.config.text_config.vocab_size))

    def by_row(input_ids, scores):
        # A hashtag's sign is forbidden in every second row, so that its place among the others decides.
        seen.append(len(input_ids))
        scores[num_beams::2] -= 1e4 * torch.arange(scores.shape[1]).remainder(7).eq(3)
        return scores

    def limit(input_ids, scores, **kwargs):
        return torch.full((len(input_ids),), len(input_ids) != 3 * num_beams and input_ids.shape[1] > 2)

    def prefix(row, ids):
        prefixes.add(row)
        return vocabulary

    options = {"num_beams": num_beams, "batch_size": 3, "max_length": 12}
    own = {"logits_processor": [by_row], "stopping_criteria": [limit], "prefix_allowed_tokens_fn": prefix}
    answers = suggest(items[:3], generate_kwargs=own, **options)
    assert set(seen) == {3 * num_beams} and prefixes == {0, 1, 2}
    assert names(answers) != names(suggest(items[:3], **options))


@pytest.mark.parametrize("search", [tree_beam_search, drafted_greedy_search])
def test_own_searches_refuse_what_looks_at_rows(suggest, search):
    """Would fail if a search that has not all rows side by side were run with a processor that may look at them."""
    arguments = {"custom_generate": search, "num_beams": 5 if search is tree_beam_search else 1}
    if search is drafted_greedy_search:
        arguments["drafts"] = [HashtagDrafts()]
    ids = torch.tensor([[0, 5, 2]])
    suggest.model.generate(ids, max_length=4, **arguments)
    with pytest.raises(InputError, match="Temperature"):
        suggest.model.generate(ids, max_length=4, logits_processor=[TemperatureLogitsWarper(0.5)], **arguments)


def test_drafts_begin_as_targets_do(suggest):
    """Would fail if the tokens of a target's beginning were guessed wrong, or an item without guidance failed."""
    tokenizer = suggest.processor.tokenizer
    target = tokenizer(text_target="#blackbolt #gymday")["input_ids"]
    drafts = hashtag_drafts(tokenizer, ["blackbolt", "gymday"])
    start = [suggest.model.config.decoder_start_token_id]
    opened = drafts.after(start)
    assert opened == target[: len(opened)] and tokenizer.decode(opened).endswith("#blackbolt #")
    assert drafts.after([*start, *opened])[:-1] == target[len(opened) : -1]
    assert hashtag_drafts(tokenizer, []).after(start) == []


@pytest.mark.parametrize("begun", ["g", "gy", "gym"])
def test_drafts_of_hashtags_that_were_not_retrieved(suggest, begun):
    """Would fail if a hashtag of the pool that is being written were not guessed token by token as it is written."""
    tokenizer = suggest.processor.tokenizer
    whole = tokenizer(" #gymdayxyz", add_special_tokens=False)["input_ids"]
    place = next(place for place in range(2, len(whole)) if tokenizer.decode(whole[:place]).strip("# ") >= begun)
    written = [suggest.model.config.decoder_start_token_id, *whole[:place]]
    known = HashtagCompletions(["snow", "gymdayxyz"]).likely
    assert hashtag_drafts(tokenizer, ["blackbolt"], known).after(written) == [*whole[place:], whole[0]]
    assert hashtag_drafts(tokenizer, ["blackbolt"]).after(written)[:1] == whole[:1]


class Answer:
    """Lets nothing but the tokens of one answer be written."""

    is_of_one_row = True

    def __init__(self, ids):
        self._ids = ids

    def __call__(self, input_ids, scores):
        forced = torch.full_like(scores, -torch.inf)
        forced[:, self._ids[min(input_ids.shape[1], len(self._ids)) - 1]] = 0.0
        return forced


def test_hashtags_of_the_pool_save_passes(suggest, items, passes, monkeypatch):
    """Would fail if a call did not guess by its own pool, or what is written were changed by that."""
    written = ["waterfallhiking", "trumpetduet", "gymdayxyz"]
    pool = suggest.hashtag_pool.copy()
    pool.put(written, -pool.embeddings.mean(dim=0, keepdim=True).expand(3, -1), [9, 9, 9])
    answer = Answer(suggest.processor.tokenizer(text_target=" ".join(f"#{tag}" for tag in written))["input_ids"])
    options = {"num_beams": 1, "hashtag_pool": pool, "generate_kwargs": {"logits_processor": [answer]}}
    found = suggest(items[0], **options)
    with_pool = len(passes)
    passes.clear()
    monkeypatch.setattr(HashtagPool, "likely", lambda *_: None)
    plain = suggest(items[0], **options)
    assert names([plain]) == names([found]) and set(names([found])[0]) == {f"#{tag}" for tag in written}
    assert scores([plain]) == pytest.approx(scores([found]), rel=1e-3)
    assert with_pool < len(passes)
