"""Token ids, cut outside the tokenizer, and asked for by several threads."""

import copy
import os
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processing_samples import TOKENIZERS, mbart
from transformers import ByT5Tokenizer

from transformers_ggm.processing import GGMProcessor, GGMVideoProcessor, HashtagRetrieverProcessor
from transformers_ggm.processing.token_ids import lock_of, target_token_ids, token_ids, token_ids_of_all

MAKERS = {**TOKENIZERS, "mbart": mbart, "python": ByT5Tokenizer}
WORDS = st.lists(st.sampled_from(["dog", "snow", "in", "#snow", "</s>", "é"]), max_size=20).map(" ".join)
THREADS = 4


@pytest.mark.parametrize("name", MAKERS)
def test_cut_as_the_tokenizer_itself_would_cut(name):
    """
    Would fail if another token were left out than by `truncation`: of the other text, at the other end, a special one.
    """
    tokenizer, reference = MAKERS[name](), MAKERS[name]()

    @settings(max_examples=60)
    @given(text=WORDS, pair=WORDS, length=st.integers(6, 60), side=st.sampled_from(["left", "right"]))
    def check(text, pair, length, side):
        tokenizer.truncation_side = reference.truncation_side = side
        cut = {"truncation": True, "max_length": length, "verbose": False}
        texts = [text, pair] if pair else [text]
        assert token_ids(tokenizer, text, pair, length) == reference(*texts, **cut)["input_ids"]
        assert token_ids_of_all(tokenizer, [text, pair], length) == reference([text, pair], **cut)["input_ids"]
        assert target_token_ids(tokenizer, text, length) == reference(text_target=text, **cut)["input_ids"]
        assert token_ids(tokenizer, text, pair) == reference(*texts, verbose=False)["input_ids"]
        alone = {"add_special_tokens": False}
        assert token_ids(tokenizer, text, **alone) == reference(text, **alone)["input_ids"]

    check()


def words(count):
    return "a dog in the park " * count


@pytest.fixture(params=["bart", "mbart"])
def processors(request):
    """Two processors that share a tokenizer."""
    tokenizer, video_processor = MAKERS[request.param](), GGMVideoProcessor(size={"shortest_edge": 16})
    return [
        GGMProcessor(video_processor, tokenizer, max_text_length=40, max_target_length=8),
        HashtagRetrieverProcessor(video_processor, tokenizer, max_hashtag_length=4, max_description_length=9),
    ]


def test_a_tokenizer_is_never_asked_to_cut_or_pad(processors, monkeypatch):
    """Would fail if a fast tokenizer, which keeps these settings, were told to cut or pad, in whatever thread."""
    generator, retriever = processors
    tokenizer, asked = generator.tokenizer, []
    original = type(tokenizer).set_truncation_and_padding

    def spied(self, padding_strategy, truncation_strategy, **kwargs):
        asked.append((padding_strategy.value, truncation_strategy.value))
        return original(self, padding_strategy, truncation_strategy, **kwargs)

    monkeypatch.setattr(type(tokenizer), "set_truncation_and_padding", spied)
    generator(text=[words(30), "a"], guidance=[["snow"] * 30, []], hashtags=[["toronto" * 20], ["a"]])
    retriever(text=[words(30), "a"], hashtags=["toronto" * 20, "a"])
    assert set(asked) == {("do_not_pad", "do_not_truncate")}


def test_threads_get_what_each_would_get_alone(processors):
    """Would fail if threads that share a tokenizer cut, pad or mark with a language what another one encodes."""
    generator, retriever = processors

    def encode(number):
        count = 1 + number % 5 * 6
        tags = ["snow", "toronto" * (1 + number % 3)]
        made = generator(text=[words(count), "a"], guidance=[["snow"] * count, []], hashtags=[tags, ["a"]])
        return [made, retriever(text=[words(count), "a"], hashtags=tags)]

    def plain(batches):
        return [{name: tensor.tolist() for name, tensor in batch.items()} for batch in batches]

    expected = [plain(encode(number)) for number in range(15)]
    together = threading.Barrier(THREADS)

    def encode_all(first):
        together.wait(timeout=60)
        return [(number, plain(encode(number))) for number in (*range(first, 15), *range(first))]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(THREADS) as threads:
            found = list(threads.map(encode_all, range(THREADS)))
    finally:
        sys.setswitchinterval(interval)
    for of_thread in found:
        for number, batches in of_thread:
            assert batches == expected[number]


def test_processors_that_share_a_tokenizer_share_its_lock(processors, tmp_path):
    """Would fail if a tokenizer had several locks, or if one that was used could not be copied, sent or saved."""
    generator, retriever = processors
    generator(text="a dog")
    lock = lock_of(generator.tokenizer)
    assert lock_of(retriever.tokenizer) is lock
    for copied in (copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))):
        assert lock_of(copied.tokenizer) is not lock
        assert copied(text="a dog")["input_ids"].tolist() == generator(text="a dog")["input_ids"].tolist()
    generator.save_pretrained(tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_does_not_wait_for_threads_that_it_lacks(processors):
    """Would fail if a process that is forked while a thread encodes waited for ever for that thread's lock."""
    tokenizer = processors[0].tokenizer
    with lock_of(tokenizer):
        child = os.fork()
        if not child:
            os._exit(0 if lock_of(tokenizer).acquire(timeout=30) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
