import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModel,
    AutoTokenizer,
    BartConfig,
    BartModel,
    BertConfig,
    BertModel,
    DebertaConfig,
    DebertaModel,
    PreTrainedTokenizerFast,
)

from transformers_ggm.evaluation import BertScorer, bert_score_per_video

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "blue", "red", "square", "rain", "snow", "day", "lake", "life"]
SIZES = {"vocab_size": len(WORDS), "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 20}


def save_model(folder, model, model_max_length):
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    limit = {} if model_max_length is None else {"model_max_length": model_max_length}
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        **limit,
    ).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A BERT of three layers with random weights, large enough for its vectors to differ."""
    torch.manual_seed(0)
    model = BertModel(BertConfig(**SIZES, num_hidden_layers=3, max_position_embeddings=32, initializer_range=0.5))
    return save_model(tmp_path_factory.mktemp("bert"), model, 32)


def score_by_hand(folder, predicted, true, num_layers):
    """Precision, recall and F1 of two texts, with plain loops over their tokens."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    vectors = []
    for text in (predicted, true):
        with torch.no_grad():
            output = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True)
        vectors.append(output.hidden_states[num_layers][0].numpy())

    def best(vector, others):
        return max(vector @ other / np.linalg.norm(vector) / np.linalg.norm(other) for other in others)

    # The first and the last token are special: they may be matched but do not count.
    precision = np.mean([best(vector, vectors[1]) for vector in vectors[0][1:-1]])
    recall = np.mean([best(vector, vectors[0]) for vector in vectors[1][1:-1]])
    return [100 * precision, 100 * recall, 200 * precision * recall / (precision + recall)]


@pytest.mark.parametrize("num_layers", [None, 0, 2])
@pytest.mark.parametrize("batch_size", [1, 8])
def test_agrees_with_loops(folder, num_layers, batch_size):
    """Would fail if another layer were compared, padding matched, special tokens counted, or sides were swapped."""
    predictions = [["bluesquare"], ["rain", "snowday", "lakelife"], ["redsquare", "rain"]]
    references = [["redsquare", "lakelife"], ["rain"], ["redsquare", "rain"]]
    texts = [
        ("blue square", "lake life red square"),
        ("lake life rain snow day", "rain"),
        ("rain red square", "rain red square"),
    ]
    scorer = BertScorer(folder, num_layers=num_layers, batch_size=batch_size, device="cpu")
    rows = bert_score_per_video(predictions, references, scorer, order="sorted")
    by_hand = [score_by_hand(folder, *pair, 3 if num_layers is None else num_layers) for pair in texts]
    assert list(rows) == ["bertscore_precision", "bertscore_recall", "bertscore_f1"]
    np.testing.assert_allclose(np.stack(list(rows.values()), axis=1), by_hand, atol=1e-3)
    assert scorer.settings == {"model": str(folder), "num_layers": 3 if num_layers is None else num_layers}


def test_perfect_and_empty_predictions(folder):
    """Would fail if the author's own hashtags did not score 100, or none at all scored by their special tokens."""
    rows = bert_score_per_video([["rain", "snowday"], [], ["rain"]], [["snowday", "rain"], ["rain"], []],
                                BertScorer(folder, device="cpu"))  # fmt: skip
    for values in rows.values():
        np.testing.assert_allclose(values, [100, 0, 0], atol=1e-3)


def test_splitter_is_used(folder):
    """Would fail if BERTScore read other words than ROUGE."""
    scorer = BertScorer(folder, device="cpu")
    rows = bert_score_per_video([["rain"]], [["snow"]], scorer, word_splitter=lambda tag: ["lake", "life"])
    np.testing.assert_allclose(rows["bertscore_f1"], [100], atol=1e-3)


@pytest.mark.parametrize("model_max_length", [None, 12])
def test_tokenizers_without_a_limit(tmp_path, model_max_length):
    """Would fail if a tokenizer that knows no limit, such as DeBERTa's, overflowed, or long texts broke the model."""
    config = DebertaConfig(
        **SIZES, num_hidden_layers=2, max_position_embeddings=16, relative_attention=True, pos_att_type=["c2p", "p2c"]
    )
    save_model(tmp_path, DebertaModel(config), model_max_length)
    scorer = BertScorer(tmp_path, device="cpu")
    assert scorer.max_length == (model_max_length or 16)
    rows = bert_score_per_video([["rain"] * 40], [["rain"] * 40], scorer)
    np.testing.assert_allclose(rows["bertscore_f1"], [100], atol=1e-3)


def test_encoder_of_an_encoder_decoder(tmp_path):
    """Would fail if BART were run as a whole, whose decoder would see the text too."""
    config = BartConfig(
        vocab_size=len(WORDS), d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=20, decoder_ffn_dim=20, max_position_embeddings=32, pad_token_id=0,
    )  # fmt: skip
    save_model(tmp_path, BartModel(config), 32)
    scorer = BertScorer(tmp_path, device="cpu")
    assert scorer.num_layers == 2
    np.testing.assert_allclose(bert_score_per_video([["rain"]], [["rain"]], scorer)["bertscore_f1"], [100], atol=1e-3)


def test_layer_that_is_not_there(folder):
    """Would fail if a layer beyond the last ended in an IndexError after the first batch."""
    with pytest.raises(ValueError, match=r"`num_layers` is 4, but .* has 3 layers"):
        BertScorer(folder, num_layers=4, device="cpu")


def test_unequal_lengths(folder):
    """Would fail if metrics of other videos than those predicted for were given."""
    with pytest.raises(ValueError, match="`predictions` has 1 videos and `references` 2"):
        bert_score_per_video([["rain"]], [["rain"], ["snow"]], BertScorer(folder, device="cpu"))
