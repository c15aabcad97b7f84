"""The pipeline as a whole, on a checkpoint with random weights."""

import logging
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from checkpoint_samples import SCRATCH, write_hashtags_often
from datasets import Dataset, IterableDataset
from transformers import GenerationConfig, pipeline
from transformers.pipelines import PIPELINE_REGISTRY
from transformers.pipelines.pt_utils import KeyDataset

from transformers_ggm import (
    GGMForHashtagGeneration,
    GGMProcessor,
    HashtagGenerationPipeline,
    HashtagPool,
    HashtagRetriever,
    HashtagRetrieverProcessor,
    MediaError,
)
from transformers_ggm.errors import CheckpointError, HashtagError, InputError, PoolError, RetrieverMismatchError
from transformers_ggm.pipelines import DEMO_CHECKPOINT, demo_checkpoint
from transformers_ggm.processing import Media, extract_hashtags
from transformers_ggm.processing.media.audio import load_sound

WORDS = "twelve hours on the highway"


@pytest.fixture(scope="module")
def suggest(checkpoint):
    """Read only."""
    return pipeline("hashtag-generation", model=str(checkpoint), device="cpu")


@pytest.fixture
def fresh(checkpoint):
    """To be changed."""
    return pipeline("hashtag-generation", model=str(checkpoint), device="cpu")


@pytest.fixture
def items(clips):
    """Every kind of row beside every other: sound, no sound, no words, no video."""
    paths = list(clips)
    words = ["cake for breakfast because I am a year older", WORDS, "", WORDS]
    return [{"video": path, "description": text} for path, text in zip(paths, words)] + [{"description": WORDS}]


@pytest.fixture
def transformers_log():
    """What transformers itself logs, whether or not its logger hands records on."""
    records = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = records.append
    logging.getLogger("transformers").addHandler(handler)
    yield records
    logging.getLogger("transformers").removeHandler(handler)


def assert_same(first, second):
    assert [[tag["hashtag"] for tag in row] for row in first] == [[tag["hashtag"] for tag in row] for row in second]
    for one, other in zip(first, second):
        for a, b in zip(one, other):
            assert a["score"] == pytest.approx(b["score"], rel=1e-3)
            assert (a["novel"], a["guided"]) == (b["novel"], b["guided"])


def write(suggest, monkeypatch, *texts):
    """Makes the model write given texts, one per row."""
    tokenizer = suggest.processor.tokenizer
    rows = [[tokenizer.eos_token_id, *tokenizer(text)["input_ids"]] for text in texts]
    width = max(map(len, rows))
    ids = torch.tensor([row + [tokenizer.pad_token_id] * (width - len(row)) for row in rows])
    monkeypatch.setattr(suggest.model, "generate", lambda **kwargs: ids)


def counted(monkeypatch, owner, name):
    """Counts the calls of a method, and how many rows each was given, from its first tensor's shape."""
    calls = []
    original = getattr(owner, name)

    def call(*args, **kwargs):
        tensors = [value for value in (*args, *kwargs.values()) if torch.is_tensor(value)]
        calls.append(tensors[0].shape[0] if tensors else 1)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)
    return calls


def test_results_have_the_promised_form(suggest, sounding):
    """Would fail if a field were missing or of another type, a tag invalid or repeated, or the order not by score."""
    results = suggest(sounding[0], description=WORDS)
    assert results
    for result in results:
        assert set(result) == {"hashtag", "score", "novel", "guided"}
        assert [f"#{tag}" for tag in extract_hashtags(result["hashtag"])] == [result["hashtag"]]
        assert isinstance(result["score"], float) and 0 < result["score"] <= 1
        assert isinstance(result["novel"], bool) and isinstance(result["guided"], bool)
    assert [r["score"] for r in results] == sorted((r["score"] for r in results), reverse=True)
    assert len({r["hashtag"] for r in results}) == len(results)


@pytest.mark.parametrize("batch_size", [2, 5])
def test_a_batch_gives_what_single_calls_give(suggest, items, batch_size):
    """Would fail if padding, or a row's neighbours with sound or video, changed its hashtags."""
    single = [suggest(item) for item in items]
    assert sum(map(len, single)) > len(items)
    assert_same(suggest(items, batch_size=batch_size), single)


@pytest.mark.contract
def test_all_kinds_of_inputs_give_the_same(suggest, items):
    """Would fail if tuples, generators, other iterators or datasets were taken for one item, or lost rows or order."""
    expected = suggest(items, batch_size=2)
    assert_same(suggest(tuple(items)), expected)
    assert_same(list(suggest((item for item in items), batch_size=2)), expected)
    assert_same(list(suggest(iter(items))), expected)
    dataset = Dataset.from_list([{"video": None, "hashtags": ["snow"], **item} for item in items])
    streamed = suggest(dataset, batch_size=3)
    assert not isinstance(streamed, list)
    assert_same(list(streamed), expected)
    assert_same(list(suggest(IterableDataset.from_generator(lambda: iter(items)))), expected)
    paths = Dataset.from_list([{"path": item["video"]} for item in items[:2]])
    assert_same(list(suggest(KeyDataset(paths, "path"), batch_size=2)), suggest([item["video"] for item in items[:2]]))
    assert suggest([]) == []


def test_all_kinds_of_clips_give_the_same(suggest, sounding):
    """Would fail if a path, bytes, a file object, a decoded clip or stored columns were read in different ways."""
    path = sounding[0]
    expected = [suggest(path, description=WORDS)]
    with open(path, "rb") as file:
        content = file.read()
        file.seek(0)
        assert_same([suggest(file, description=WORDS)], expected)
    media = suggest.processor.decode_media(path)
    same = [
        content,
        media,
        {"video": media},
        {"video": {"path": None, "bytes": content}},
        {"path": path, "bytes": None},
    ]
    for item in same:
        assert_same([suggest(item, description=WORDS)], expected)
    sound = {"array": media.audio, "sampling_rate": media.sampling_rate}
    frames = media.frames.permute(0, 2, 3, 1).numpy()
    assert_same([suggest({"video": frames, "audio": sound, "description": WORDS})], expected)
    assert_same([suggest({"video": list(frames), "audio": path, "description": WORDS})], expected)


def test_workers_give_what_the_main_process_gives(suggest, items):
    """Would fail if what workers decode could not travel, or errors in them lost their type or stopped the others."""
    assert_same(suggest(items, batch_size=2, num_workers=2), suggest(items))
    mixed = [items[0], {"video": "missing.mp4"}, items[1]]
    assert_same(
        suggest(mixed, batch_size=2, num_workers=2, on_error="skip"), [suggest(items[0]), [], suggest(items[1])]
    )
    assert [name for name, _ in suggest.skipped] == []
    suggest(mixed, batch_size=2, num_workers=2, on_error="skip")
    assert [name for name, _ in suggest.skipped] == ["missing.mp4"]
    with pytest.raises(MediaError, match=r"^'missing\.mp4' does not exist"):
        suggest(mixed, batch_size=2, num_workers=2)


def teacher_forced_log_probs(suggest, item, ids, guidance):
    """From scratch: the model's own inputs and its softmax at every step, as {position: log-probability}."""
    batch = suggest.processor(
        videos=[item["video"]], text=[item["description"]], guidance=[guidance], return_tensors="pt"
    )
    with torch.no_grad():
        probs = suggest.model(**batch, decoder_input_ids=ids[None, :-1]).logits[0].double().softmax(-1)
    return {position: math.log(probs[position - 1, ids[position]]) for position in range(1, len(ids))}


def occurrence_scores(suggest, ids, log_probs):
    """(hashtag, score) of every hashtag written, repeats included: each is the first where those before are hidden."""
    ids, scores = ids.clone(), []
    while spans := suggest.processor.hashtag_spans(ids):
        tag, positions = spans[0]
        scores.append((tag, math.exp(sum(log_probs[p] for p in positions) / len(positions))))
        ids[positions] = -100
    return scores


def retrieved(suggest, path, k):
    """The guidance for a clip, from the clip itself."""
    videos = suggest.retriever_processor(videos=[path])
    with torch.no_grad():
        return suggest.hashtag_pool.search(suggest.retriever.get_video_features(**videos).pooler_output, k)[1][0]


def sequences_of(written):
    """What `generate` returned, with or without log-probabilities beside it."""
    return written if torch.is_tensor(written) else written.sequences


@pytest.mark.parametrize(
    "decoding",
    [
        {"num_beams": 1},
        {"num_beams": 5},
        {"num_beams": 5, "repetition_penalty": 1.5, "no_repeat_ngram_size": 2},
        {"do_sample": True, "num_beams": 1, "temperature": 0.5, "top_k": 5},
    ],
)
def test_scores_are_the_models_own_probabilities(suggest, sounding, decoding, monkeypatch):
    """Would fail if beams were mixed up, a token were shifted, or decoding's changes of the scores came through."""
    item = {"video": sounding[0], "description": WORDS}
    written = []
    generate = suggest.model.generate
    monkeypatch.setattr(suggest.model, "generate", lambda **kwargs: written.append(generate(**kwargs)) or written[-1])
    results = suggest(item, **decoding)
    ids = sequences_of(written[0])[0]
    log_probs = teacher_forced_log_probs(suggest, item, ids, retrieved(suggest, sounding[0], 4))
    expected = {}
    for tag, score in occurrence_scores(suggest, ids, log_probs):
        expected[f"#{tag}"] = max(score, expected.get(f"#{tag}", 0.0))
    assert expected
    assert {r["hashtag"]: r["score"] for r in results} == pytest.approx(expected, rel=1e-4)


def test_novel_and_guided_are_told_by_the_pool_and_the_guidance(suggest, sounding, monkeypatch):
    """Would fail if a pool's hashtag were called novel, or one that was not retrieved were called guided."""
    everything = retrieved(suggest, sounding[0], 6)
    write(suggest, monkeypatch, f"#{everything[0]} #{everything[3]} #{everything[4]} #brandnew")
    marks = {r["hashtag"][1:]: (r["novel"], r["guided"]) for r in suggest(sounding[0])}
    assert marks == {
        everything[0]: (False, True),
        everything[3]: (False, True),
        everything[4]: (False, False),
        "brandnew": (True, False),
    }
    marks = {r["hashtag"][1:]: r["guided"] for r in suggest(sounding[0], num_guidance=1)}
    assert [marks[tag] for tag in everything[:4:3]] == [True, False]
    assert not any(r["guided"] for r in suggest(sounding[0], num_guidance=0))


def test_guidance_cut_off_for_want_of_room_does_not_count(fresh, sounding, monkeypatch):
    """Would fail if a retrieved hashtag that did not fit beside the description were marked as seen by the model."""
    best = retrieved(fresh, sounding[0], 4)
    write(fresh, monkeypatch, f"#{best[0]} #{best[3]}")
    fresh.processor.max_text_length = len(fresh.processor.tokenizer("", f"#{best[0]}")["input_ids"]) + 2
    marks = {r["hashtag"][1:]: r["guided"] for r in fresh(sounding[0])}
    assert marks == {best[0]: True, best[3]: False}


def test_duplicates_are_merged_with_the_best_score_and_invalid_ones_left_out(suggest, sounding, monkeypatch):
    """Would fail if `#Spin` and `#spin` both came, the worse of their scores did, or `#2024` came at all."""
    text = "#spin #2024 #Spin #spin"
    write(suggest, monkeypatch, text)
    results = suggest(sounding[0])
    tokenizer = suggest.processor.tokenizer
    ids = torch.tensor([tokenizer.eos_token_id, *tokenizer(text)["input_ids"]])
    item = {"video": sounding[0], "description": ""}
    log_probs = teacher_forced_log_probs(suggest, item, ids, retrieved(suggest, sounding[0], 4))
    scores = [score for _, score in occurrence_scores(suggest, ids, log_probs)]
    assert len(set(scores)) == 3
    assert [r["hashtag"] for r in results] == ["#spin"]
    assert results[0]["score"] == pytest.approx(max(scores), rel=1e-4)


def test_several_sequences_are_merged(suggest, sounding):
    """Would fail if only the first of the sequences asked for were read, or a row's were given to its neighbour."""
    both = [{"video": path, "description": WORDS} for path in sounding[:2]]
    one = suggest(both, batch_size=2)
    many = suggest(both, batch_size=2, num_return_sequences=4)
    for best, merged in zip(one, many):
        scores = {r["hashtag"]: r["score"] for r in merged}
        assert len(scores) == len(merged)
        assert all(scores[r["hashtag"]] >= r["score"] - 1e-6 for r in best)
    assert sum(map(len, many)) > sum(map(len, one))


def test_an_added_hashtag_is_used_by_the_next_call(fresh, sounding, monkeypatch):
    """Would fail if the pipeline kept a copy of the pool: a trend would need a new pipeline."""
    written = fresh(sounding[0], description=WORDS)
    novel = next(r["hashtag"] for r in written if r["novel"])
    write(fresh, monkeypatch, novel)
    fresh.add_hashtags([novel])
    fresh.processor.num_guidance = len(fresh.hashtag_pool)
    assert [(r["novel"], r["guided"]) for r in fresh(sounding[0])] == [(False, True)]
    fresh.remove_hashtags([novel])
    assert [(r["novel"], r["guided"]) for r in fresh(sounding[0])] == [(True, False)]


def test_hashtags_are_added_as_the_pool_adds_them(fresh):
    """Would fail if the pipeline added other vectors or counts than its pool does, or an error left it changed."""
    expected = fresh.hashtag_pool.copy()
    expected.add({"newtrend": 3, "snow": 1}, fresh.retriever, fresh.retriever_processor, progress_bar=False)
    fresh.add_hashtags({"#NewTrend": 3, "snow": 1})
    pool = fresh.hashtag_pool
    assert (pool.hashtags, pool.counts) == (expected.hashtags, expected.counts)
    assert torch.equal(pool.embeddings, expected.embeddings)
    with pytest.raises(HashtagError, match="two words"):
        fresh.add_hashtags(["fine", "two words"])
    with pytest.raises(PoolError, match="nowhere"):
        fresh.remove_hashtags(["newtrend", "nowhere"])
    assert pool.hashtags == expected.hashtags


def test_hashtags_without_a_pool(checkpoint):
    """Would fail if a pipeline without guidance answered a new hashtag with an error of Python's."""
    suggest = pipeline("hashtag-generation", model=str(checkpoint), num_guidance=0)
    with pytest.raises(CheckpointError, match=r"has no retriever: .* retriever="):
        suggest.add_hashtags(["newtrend"])
    suggest.remove_hashtags(suggest.hashtag_pool.hashtags[:1])
    suggest._hashtag_pool = None
    with pytest.raises(CheckpointError, match="has no hashtag_pool"):
        suggest.remove_hashtags(["snow"])


def test_descriptions_beside_clips(suggest, sounding):
    """Would fail if a list of descriptions were given to other clips than those at their places."""
    clips, words = [*sounding[:2], {"video": sounding[0], "description": WORDS}], ["first snow", "my cat", "not read"]
    items = [{"video": clips[0], "description": "first snow"}, {"video": clips[1], "description": "my cat"}, clips[2]]
    expected = suggest(items)
    assert suggest(clips, description=words) == suggest(tuple(clips), description=tuple(words)) == expected
    assert suggest(np.array(sounding[:2]), description=np.array(words[:2])) == suggest(items[:2])
    assert suggest([{"path": sounding[0], "bytes": None}], description=words[:1]) == expected[:1]
    assert suggest([], description=[]) == []


@pytest.mark.parametrize(
    "inputs, message",
    [
        (["a.mp4"], "2 descriptions for 1 items"),
        ("a.mp4", "`description` is a list"),
        ((clip for clip in ["a.mp4", "b.mp4"]), "`description` is a list"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(suggest, inputs, message):
    """Would fail if words were left over, or clips left without, in silence."""
    with pytest.raises(InputError, match=message):
        suggest(inputs, description=["x", "y"])


def test_top_k_is_for_drawing(suggest, sounding, checkpoint):
    """Would fail if a user of other pipelines, who asks for five answers by `top_k`, got all of them."""
    with pytest.raises(InputError, match="top_n=5"):
        suggest(sounding[0], top_k=5)
    with pytest.raises(InputError, match="do_sample=True"):
        suggest([sounding[0]], generate_kwargs={"top_k": 5, "num_beams": 1})
    drawing = pipeline("hashtag-generation", model=str(checkpoint), do_sample=True, num_beams=1)
    drawing(sounding[0], top_k=5)
    suggest(sounding[0], top_k=5, generation_config=GenerationConfig(do_sample=True, max_length=8))


def test_guidance_reaches_the_model(suggest, sounding):
    """Would fail if the hashtags retrieved were not shown to the model."""
    item = {"video": sounding[0], "description": WORDS}
    assert suggest(item) != suggest(item, num_guidance=0)


def test_sound_reaches_the_model(suggest, sounding):
    """Would fail if a clip's sound were dropped on its way, or a given sound did not take its place."""
    media = suggest.processor.decode_media(sounding[0])
    silent = Media(media.frames, media.timestamps, None, None, media.duration)
    item = {"video": sounding[0], "description": WORDS}
    scores = [
        [r["score"] for r in suggest({**item, **change})]
        for change in ({}, {"video": silent}, {"audio": np.sin(np.arange(8000) / 9), "sampling_rate": 8000})
    ]
    assert scores[0] != scores[1] and scores[1] != scores[2] and scores[0] != scores[2]


def test_sound_without_picture_is_heard_through_a_black_frame(suggest, sounding):
    """Would fail if sound alone were ignored, refused, or guided by what the retriever makes of blackness."""
    waveform = load_sound(sounding[0], 16_000, 2.0, 10**7)
    sound = {"audio": waveform, "sampling_rate": 16_000}
    assert not any(r["guided"] for r in suggest(sound))
    with_words = {**sound, "description": WORDS}
    assert suggest(with_words) != suggest({"description": WORDS})
    assert suggest(with_words, blank_video=False) == suggest({"description": WORDS})
    assert_same(
        suggest([with_words, {"description": WORDS}], batch_size=2),
        [suggest(with_words), suggest([{"description": WORDS}])[0]],
    )
    with pytest.raises(InputError, match="no video"):
        suggest(sound, blank_video=False)


def test_a_model_that_does_not_hear(tmp_path, sounding):
    """Would fail if a model without sound needed any, or choked on an item that has some."""
    scratch = replace(SCRATCH, audio=None, feature_extractor=None)
    processor, _ = scratch.processors([WORDS], ["spin"], num_guidance=0, max_text_length=96)
    model = GGMForHashtagGeneration(scratch.generator_config(processor.tokenizer))
    write_hashtags_often(model, processor.tokenizer)
    suggest = HashtagGenerationPipeline(model=model, processor=processor, device="cpu")
    item = {"video": sounding[0], "description": WORDS}
    results = suggest(item)
    assert results and {r["novel"] for r in results} == {None}
    assert suggest({**item, "audio": sounding[1]}) == results
    with pytest.raises(InputError, match="no video"):
        suggest({"audio": sounding[0]})


def test_words_alone_need_no_video(suggest, monkeypatch):
    """Would fail if a text post were refused, looked at through a black frame, or given guidance."""
    vision = counted(monkeypatch, suggest.model.get_encoder().vision_encoder, "forward")
    results = suggest([{"description": WORDS}, {"video": None, "description": WORDS}], batch_size=2)
    assert results[0] and results[0] == results[1]
    assert not vision and not any(r["guided"] for r in results[0])


@pytest.mark.parametrize(
    "item, message",
    [
        ({"description": ""}, "no video and its description is empty"),
        ({"video": None, "description": "#only #tags"}, "no video and its description is empty"),
        ({"vidoe": "clip.mp4"}, r"fields \['vidoe'\]"),
        ({"video": "clip.mp4", "description": 3}, "^clip.mp4: `description` is a int"),
        (None, "is None"),
        (np.zeros((2, 8, 8, 3)), "float64"),
    ],
)
def test_an_item_with_nothing_to_go_by_is_named(suggest, item, message):
    """Would fail if an unusable item raised something else, or the error did not tell which one it was."""
    with pytest.raises(InputError, match=message) as error:
        suggest([{"description": WORDS}, item], batch_size=2)
    assert str(error.value).startswith(("item 1: ", "clip.mp4: "))


def test_skipped_items_leave_the_others_untouched(suggest, items, tmp_path, caplog):
    """Would fail if one bad clip in a batch or a stream stopped, shifted or changed the others, or went unreported."""
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip at all" * 100)
    mixed = [{"video": broken}, items[0], {"description": " "}, items[1], str(tmp_path / "missing.mp4")]
    expected = [[], suggest(items[0]), [], suggest(items[1]), []]
    for batch_size in (1, 2, 5):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert_same(suggest(mixed, batch_size=batch_size, on_error="skip"), expected)
        assert [name for name, _ in suggest.skipped] == [str(broken), "item 2", str(tmp_path / "missing.mp4")]
        assert "cannot be read as a video" in suggest.skipped[0][1]
        assert all(reason in caplog.text for _, reason in suggest.skipped)
        assert_same(list(suggest(iter(mixed), batch_size=batch_size, on_error="skip")), expected)
        assert len(suggest.skipped) == 3
    assert suggest(broken, on_error="skip") == []
    assert len(suggest.skipped) == 1
    suggest(items[0])
    assert suggest.skipped == []
    with pytest.raises(MediaError, match=r"broken\.mp4"):
        suggest(mixed)


def test_reports_of_two_streams_are_not_mixed(suggest, items):
    """Would fail if a stream that is read later wrote into the report of a newer call."""
    first = suggest(iter([items[0], {"description": ""}]), on_error="skip")
    first_report = suggest.skipped
    second = suggest(iter([{"description": ""}]), on_error="skip")
    assert list(second) == [[]] and list(first)[1] == []
    assert [name for name, _ in suggest.skipped] == ["item 0"]
    assert [name for name, _ in first_report] == ["item 1"]


@pytest.mark.contract
def test_decoding_arguments_reach_generate(fresh, sounding, transformers_log):
    """Would fail if an argument were swallowed, or `max_new_tokens` made transformers warn of a `max_length`."""
    item = {"video": sounding[0], "description": WORDS}
    seen = []
    generate = fresh.model.generate
    fresh.model.generate = lambda **kwargs: seen.append(generate(**kwargs)) or seen[-1]
    fresh(item, max_new_tokens=5)
    assert sequences_of(seen[-1]).shape[1] <= 6 and not transformers_log
    greedy = fresh(item, num_beams=1)
    assert greedy == fresh(item, generate_kwargs={"num_beams": 1}) != fresh(item)
    torch.manual_seed(3)
    sampled = fresh(item, do_sample=True, num_beams=1, temperature=1.5)
    torch.manual_seed(3)
    assert sampled == fresh(item, do_sample=True, num_beams=1, temperature=1.5) != greedy
    fresh(item, return_dict_in_generate=True, output_scores=True)
    assert "scores" in seen[-1]


@pytest.mark.contract
def test_arguments_given_once_hold_for_all_calls(checkpoint, sounding):
    """Would fail if defaults given to `pipeline()` were lost, or a call could not change them."""
    narrow = pipeline(
        "hashtag-generation", model=str(checkpoint), device="cpu", top_n=1, num_beams=1, num_guidance=2, batch_size=2
    )
    wide = pipeline("hashtag-generation", model=str(checkpoint), device="cpu")
    item = {"video": sounding[0], "description": WORDS}
    assert narrow(item) == wide(item, num_beams=1, num_guidance=2)[:1]
    assert narrow(item, top_n=9, num_beams=5, num_guidance=4) == wide(item)
    assert narrow(item, max_new_tokens=9) == wide(item, num_beams=1, num_guidance=2, max_new_tokens=9)[:1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_beam": 3}, "num_beam is not an argument.*num_beams"),
        ({"wrong": 3}, "wrong is not an argument.*generate_kwargs"),
        ({"top_n": 0}, "top_n=0"),
        ({"compile": True}, "compile is not an argument"),
        ({"still_tolerance": 2.0}, "still_tolerance is not an argument"),
        ({"num_guidance": 5}, "num_guidance=5.*from 0 to 4"),
        ({"num_guidance": -1}, "num_guidance=-1"),
        ({"on_error": "ignore"}, "on_error='ignore'"),
        ({"description": ["a", "b"]}, "`description` is a list"),
        ({"generate_kwargs": {"encoder_outputs": 1}}, "encoder_outputs"),
    ],
)
def test_arguments_out_of_range_are_named(suggest, checkpoint, arguments, message):
    """Would fail if a misspelt or impossible argument were silently ignored, in a call or at the start."""
    with pytest.raises(InputError, match=message):
        suggest({"description": WORDS}, **arguments)
    with pytest.raises(InputError, match=message):
        pipeline("hashtag-generation", model=str(checkpoint), **arguments)


def test_top_n_keeps_the_best(suggest, sounding):
    """Would fail if the first hashtags written were kept instead of the best."""
    everything = suggest(sounding[0], description=WORDS)
    assert len(everything) > 2
    assert suggest(sounding[0], description=WORDS, top_n=2) == everything[:2]


def test_more_guidance_than_the_pool_has(fresh, sounding, monkeypatch):
    """Would fail if a pool smaller than `num_guidance` raised instead of giving all it has."""
    write(fresh, monkeypatch, "#spin #redcircle")
    fresh.processor.num_guidance = 50
    assert all(r["guided"] for r in fresh(sounding[0]))


@pytest.fixture
def copy(checkpoint, tmp_path):
    shutil.copytree(checkpoint, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("missing", ["retriever", "hashtag_pool"])
def test_missing_parts_are_named(copy, sounding, missing):
    """Would fail if a checkpoint without a part failed later, obscurely, or although no guidance is wanted."""
    shutil.rmtree(copy / missing)
    with pytest.raises(CheckpointError, match=rf"no {missing}/.*{missing}=.*num_guidance=0"):
        pipeline("hashtag-generation", model=str(copy))
    suggest = pipeline("hashtag-generation", model=str(copy), num_guidance=0)
    results = suggest(sounding[0], description=WORDS)
    assert results and not any(r["guided"] for r in results)
    assert {r["novel"] for r in results} <= ({None} if missing == "hashtag_pool" else {True, False})
    with pytest.raises(CheckpointError, match="without retriever"):
        suggest(sounding[0], num_guidance=2)


def test_a_checkpoint_made_without_guidance_needs_neither_part(copy, sounding):
    """Would fail if a model trained without guidance could not be used without a retriever and a pool."""
    for part in ("retriever", "hashtag_pool"):
        shutil.rmtree(copy / part)
    processor = GGMProcessor.from_pretrained(copy)
    processor.num_guidance = 0
    processor.save_pretrained(copy)
    assert pipeline("hashtag-generation", model=str(copy))(sounding[0], description=WORDS)


def test_parts_that_do_not_belong_together_are_refused(checkpoint, copy, suggest):
    """Would fail if a pool were searched with the vectors of a retriever that did not make it."""
    config = suggest.retriever.config
    other = HashtagRetriever(config)
    arguments = {"model": str(checkpoint), "retriever": other, "retriever_processor": suggest.retriever_processor}
    with pytest.raises(RetrieverMismatchError):
        pipeline("hashtag-generation", **arguments)
    pool = HashtagPool.build(["snow"], other, suggest.retriever_processor, progress_bar=False)
    with pytest.raises(RetrieverMismatchError):
        pipeline("hashtag-generation", model=str(checkpoint), hashtag_pool=pool)
    with pytest.raises(RetrieverMismatchError):
        suggest.hashtag_pool = pool
    assert pipeline("hashtag-generation", **arguments, hashtag_pool=pool).hashtag_pool is pool


def test_damaged_parts_are_named(copy):
    """Would fail if a half-downloaded retriever or pool raised an error of another library."""
    (copy / "retriever" / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(CheckpointError, match="retriever cannot be loaded"):
        pipeline("hashtag-generation", model=str(copy))
    (copy / "hashtag_pool" / "pool.json").unlink()
    with pytest.raises(CheckpointError, match=r"pool\.json"):
        pipeline("hashtag-generation", model=str(copy), num_guidance=0)


def test_parts_can_be_given(checkpoint, copy, sounding, suggest):
    """Would fail if parts from elsewhere, as folders or objects, were not used, or a bare model could not be."""
    for part in ("retriever", "hashtag_pool"):
        shutil.rmtree(copy / part)
    item = {"video": sounding[0], "description": WORDS}
    by_folder = {"retriever": str(checkpoint / "retriever"), "hashtag_pool": checkpoint / "hashtag_pool"}
    assert pipeline("hashtag-generation", model=str(copy), **by_folder)(item) == suggest(item)
    model = GGMForHashtagGeneration.from_pretrained(checkpoint)
    model.config._name_or_path = model.name_or_path = ""
    processor = GGMProcessor.from_pretrained(checkpoint)
    with pytest.raises(CheckpointError, match="was not loaded"):
        pipeline("hashtag-generation", model=model, processor=processor)
    given = HashtagGenerationPipeline(model=model, processor=processor, device="cpu", **by_folder)
    assert given(item) == suggest(item)
    bare = HashtagRetriever(suggest.retriever.config)
    bare.config._name_or_path = bare.name_or_path = ""
    with pytest.raises(CheckpointError, match="retriever_processor"):
        HashtagGenerationPipeline(model=model, processor=processor, retriever=bare, hashtag_pool=given.hashtag_pool)


@pytest.mark.contract
def test_all_parts_come_from_the_commit_of_the_model(checkpoint, tmp_path, suggest, sounding):
    """Would fail if the retriever and pool were taken from another revision, or another cache, than the model."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--someone--tags"
    shutil.copytree(checkpoint, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "v1").write_text(commit)
    from_hub = pipeline(
        "hashtag-generation",
        model="someone/tags",
        revision="v1",
        token="hf_secret",
        model_kwargs={"cache_dir": str(tmp_path)},
        device="cpu",
    )
    assert from_hub.retriever.name_or_path == str(repository / "snapshots" / commit / "retriever")
    assert "hf_secret" not in repr(vars(from_hub.model))
    assert from_hub(sounding[0]) == suggest(sounding[0])


def test_half_precision(checkpoint, copy, sounding, suggest):
    """Would fail if the retriever stayed in another type than the model, or its pool were not recognised then."""
    half = pipeline("hashtag-generation", model=str(checkpoint), dtype=torch.bfloat16, device="cpu")
    assert half.model.dtype == half.retriever.dtype == torch.bfloat16
    results = half([{"video": path, "description": WORDS} for path in sounding], batch_size=2)
    assert any(results) and all(0 < r["score"] <= 1 for row in results for r in row)
    half.hashtag_pool.add(["newtrend"], half.retriever, half.retriever_processor, progress_bar=False)
    # A retriever that was never saved knows no fingerprint but its weights'.
    bare = HashtagRetriever(suggest.retriever.config)
    bare.config.fingerprint = ""
    processor = HashtagRetrieverProcessor.from_pretrained(checkpoint / "retriever")
    pool = HashtagPool.build(["snow"], bare, processor, progress_bar=False)
    arguments = {"retriever": bare, "retriever_processor": processor, "hashtag_pool": pool}
    half = pipeline("hashtag-generation", model=str(checkpoint), dtype=torch.bfloat16, device="cpu", **arguments)
    half.hashtag_pool.check_retriever(half.retriever)


def test_a_retriever_that_sees_other_frames_gets_its_own(copy, sounding):
    """Would fail if the retriever were shown frames in the generator's size, or the clip decoded again for it."""
    processor = HashtagRetrieverProcessor.from_pretrained(copy / "retriever")
    processor.video_processor.num_frames = 2
    processor.video_processor.size = {"height": 32, "width": 32}
    processor.video_processor.resample = 0
    processor.save_pretrained(copy / "retriever")
    suggest = pipeline("hashtag-generation", model=str(copy), device="cpu")
    seen = []
    original = suggest.retriever.get_query_features
    suggest.retriever.get_query_features = lambda **inputs: seen.append(inputs) or original(**inputs)
    suggest(sounding[0])
    media = suggest.processor.decode_media(sounding[0])
    expected = processor(videos=[media])
    assert torch.equal(seen[0]["pixel_values_videos"], expected["pixel_values_videos"])
    assert seen[0]["frame_mask"].shape == (1, 2)


@pytest.mark.contract
def test_saving_gives_a_whole_checkpoint(fresh, tmp_path, sounding):
    """Would fail if saving left out the retriever or an edited pool, wrote code to be trusted, or removed a card."""
    fresh.hashtag_pool.add(["newtrend"], fresh.retriever, fresh.retriever_processor, progress_bar=False)
    target = tmp_path / "saved"
    target.mkdir()
    (target / "README.md").write_text("a card")
    for _ in range(2):
        fresh.save_pretrained(target)
    assert not [
        file for file in target.rglob("*") if file.suffix in (".py", ".bin", ".pkl") or ".partial" in file.name
    ]
    assert (target / "README.md").read_text() == "a card"
    again = pipeline("hashtag-generation", model=str(target), device="cpu")
    assert "newtrend" in again.hashtag_pool
    assert again(sounding[0], description=WORDS) == fresh(sounding[0], description=WORDS)


@pytest.mark.contract
def test_the_bundled_model_is_the_default(checkpoint, monkeypatch, transformers_log):
    """Would fail if `pipeline("hashtag-generation")` asked the Hub, or warned of a model that comes with the code."""
    task = PIPELINE_REGISTRY.supported_tasks["hashtag-generation"]
    assert task["default"] == {"model": (DEMO_CHECKPOINT, None)} and task["type"] == "multimodal"
    monkeypatch.setitem(task, "default", {"model": (str(checkpoint), None)})
    monkeypatch.setattr(demo_checkpoint, "DEMO_CHECKPOINT", str(checkpoint))
    suggest = pipeline("hashtag-generation")
    assert suggest.model.name_or_path == str(checkpoint)
    assert not transformers_log
    logging.getLogger("transformers.pipelines").warning("No model was supplied, defaulted to another and revision 1.")
    assert len(transformers_log) == 1
