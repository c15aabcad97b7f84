"""One pipeline that several threads call at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from transformers import TokenizersBackend, pipeline

from transformers_ggm.pipelines import hashtag_generation

THREADS = 4
ROUNDS = 10


@pytest.fixture
def suggest(checkpoint):
    return pipeline("hashtag-generation", model=str(checkpoint), device="cpu", num_beams=1, max_new_tokens=16)


def answer(suggest, item):
    """What a call gives, or the error that ends it."""
    try:
        return suggest(item, return_guidance=True)
    except Exception as error:
        return error


@pytest.fixture
def slow_tokenizers(monkeypatch):
    """Threads get another turn between the settings of a call of a tokenizer and its work."""
    original = TokenizersBackend.set_truncation_and_padding

    def set_and_yield(self, **settings):
        original(self, **settings)
        time.sleep(0.001)

    monkeypatch.setattr(TokenizersBackend, "set_truncation_and_padding", set_and_yield)


def test_answers_are_those_of_calls_made_alone(suggest, clips, hurried, slow_tokenizers):
    """
    Would fail if threads, or another pipeline with the same parts, changed each other's tokens, sound or decoding.
    """
    other = pipeline(
        "hashtag-generation",
        model=suggest.model,
        processor=suggest.processor,
        retriever=suggest.retriever,
        retriever_processor=suggest.retriever_processor,
        hashtag_pool=suggest.hashtag_pool,
        num_beams=1,
        max_new_tokens=16,
    )
    media = [suggest.processor.decode_media(path) for path in clips]
    words = "a birthday cake and a bouncing ball on the road "
    # From a few tokens to more than there is room for, beside the guidance of a clip or alone.
    items = [{"video": clip, "description": words * count} for clip, count in zip(media, (1, 30, 2, 6))]
    items += [{"description": words * count} for count in (1, 30)]
    expected = [answer(suggest, item) for item in items]
    assert any(found["hashtags"] for found in expected)
    together = threading.Barrier(THREADS)

    def answers(number):
        found = []
        for turn in range(ROUNDS):
            index = (turn + number) % len(items)
            # All begin at once, where texts are encoded.
            together.wait(timeout=60)
            found.append((index, answer((suggest, other)[number % 2], items[index])))
        return found

    with ThreadPoolExecutor(THREADS) as threads:
        for found in threads.map(answers, range(THREADS)):
            for index, of_thread in found:
                assert of_thread == expected[index]


def test_each_call_has_its_own_list_of_what_it_left_out(suggest, monkeypatch):
    """Would fail if calls that begin at the same time wrote what they left out into one list."""
    together, lists = threading.Barrier(2), []
    sanitize, report = suggest._sanitize_parameters, hashtag_generation._report

    def sanitize_together(**kwargs):
        together.wait(timeout=60)
        return sanitize(**kwargs)

    def noted_report(item, position, on_error, skipped):
        lists.append(skipped)
        report(item, position, on_error, skipped)

    monkeypatch.setattr(suggest, "_sanitize_parameters", sanitize_together)
    monkeypatch.setattr(hashtag_generation, "_report", noted_report)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda name: suggest(name, on_error="skip"), ["a.mp4", "b.mp4"]))
    assert sorted(name for own in lists for name, _ in own) == ["a.mp4", "b.mp4"]
    assert suggest.skipped in lists


def test_hashtags_are_added_and_removed_while_others_ask(suggest, hurried):
    """Would fail if a change were lost among those of other threads, or a call saw the pool half-way."""
    known = suggest.hashtag_pool.hashtags

    def change(thread):
        for number in range(ROUNDS):
            suggest.add_hashtags([f"new{thread}x{number}", f"gone{thread}x{number}"])
            suggest.remove_hashtags([f"gone{thread}x{number}"])

    item = {"description": "twelve hours on the highway"}
    with ThreadPoolExecutor(THREADS) as executor:
        changes = [executor.submit(change, thread) for thread in range(THREADS - 1)]
        answers = executor.submit(lambda: [answer(suggest, item) for _ in range(ROUNDS)]).result()
        for each in changes:
            each.result()
    assert not [each for each in answers if isinstance(each, Exception)]
    new = {f"new{thread}x{number}" for thread in range(THREADS - 1) for number in range(ROUNDS)}
    assert set(suggest.hashtag_pool) == {*known, *new} and len(suggest.hashtag_pool) == len(known) + len(new)
