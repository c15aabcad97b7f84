"""Batches of texts of like length against one text at a time."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from transformers_ggm import HashtagPool, HashtagRetriever, HashtagRetrieverProcessor
from transformers_ggm.pipelines import DEMO_CHECKPOINT
from transformers_ggm.retrieval import DescriptionEncoder, like_lengths
from transformers_ggm.retrieval.like_lengths import batches_of_like_lengths, some_texts

TEXTS = ["a red circle moves", "", "snow", "二つの青い四角", "first snow in toronto, a lake", "#snow", "circle"]
HASHTAGS = ["redcircle", "snow", "a", "二つの青い四角", "firstsnowintoronto", "été", "o_o"]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(1, 5), st.sampled_from(["left", "right"]))
def test_each_row_comes_once_with_all_of_its_tokens(lengths, batch_size, side):
    """Would fail if a row were lost or lost a token, or kept padding that no row of its batch needs."""
    width = max(lengths) + 1
    mask = torch.zeros(len(lengths), width, dtype=torch.long)
    for row, length in zip(mask, lengths):
        (row[:length] if side == "right" else row[width - length :]).fill_(1)
    ids = torch.arange(mask.numel()).view_as(mask)
    seen = []
    for rows, batch in batches_of_like_lengths({"ids": ids, "attention_mask": mask}, batch_size):
        assert len(rows) <= batch_size
        assert batch["ids"].shape[1] == max([1, *(lengths[row] for row in rows)])
        for row, kept, of_row in zip(rows, batch["ids"], batch["attention_mask"]):
            assert kept[of_row.bool()].tolist() == ids[row][mask[row].bool()].tolist()
        seen += rows.tolist()
    assert sorted(seen) == list(range(len(lengths))) and [lengths[row] for row in seen] == sorted(lengths)


@given(st.integers(0, 40), st.integers(1, 20))
def test_some_texts_at_a_time_are_all(number, batch_size):
    """Would fail if texts beyond the first thousands were left out, or cut within a batch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(like_lengths, "TEXTS_AT_A_TIME", 8)
        parts = list(some_texts([str(text) for text in range(number)], batch_size))
    assert [text for some in parts for text in some] == [str(text) for text in range(number)]
    assert all(len(some) % batch_size == 0 for some in parts[:-1])


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_vectors_are_those_of_one_text_at_a_time(monkeypatch, batch_size):
    """Would fail if a description or a hashtag got another one's vector, or padding told in it."""
    monkeypatch.setattr(like_lengths, "TEXTS_AT_A_TIME", 4)
    retriever = HashtagRetriever.from_pretrained(DEMO_CHECKPOINT, subfolder="retriever")
    processor = HashtagRetrieverProcessor.from_pretrained(DEMO_CHECKPOINT, subfolder="retriever")
    found = DescriptionEncoder(retriever, processor).encode(TEXTS, batch_size)
    pool = HashtagPool.build(HASHTAGS, retriever, processor, batch_size, progress_bar=False)
    assert pool.hashtags == HASHTAGS
    with torch.inference_mode():
        for text, vector in zip(TEXTS, found):
            inputs = processor(text=[text], return_tensors="pt")
            alone = retriever.get_description_features(
                inputs["description_input_ids"], inputs["description_attention_mask"], return_dict=True
            )
            torch.testing.assert_close(vector, alone.pooler_output[0], atol=1e-5, rtol=1e-4, msg=text)
        for tag, vector in zip(HASHTAGS, torch.as_tensor(pool.embeddings)):
            inputs = processor(hashtags=[tag], return_tensors="pt")
            alone = retriever.get_hashtag_features(inputs["input_ids"], inputs["attention_mask"])
            torch.testing.assert_close(vector, alone.pooler_output[0], atol=1e-3, rtol=1e-3, msg=tag)
