"""Retrievers that start from sentence encoders: their pooling, alone and beside a vision encoder, and their files."""

import json

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, ViTConfig, ViTImageProcessor, ViTModel

from transformers_ggm import HashtagRetriever, HashtagRetrieverConfig, HashtagRetrieverProcessor
from transformers_ggm.errors import CheckpointError

WORDS = ["[PAD]", "[UNK]", "first", "snow", "a", "lake", "day"]
SIZE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
TEXTS = ["a first snow lake", "lake"]
POOLS = {
    "mean": lambda states: states.mean(0),
    "cls": lambda states: states[0],
    "max": lambda states: states.amax(0),
}


def write_encoder(folder, pooling):
    """A tiny sentence encoder with random weights, as sentence-transformers saves one."""
    folder.mkdir()
    backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokens = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=32, **tokens).save_pretrained(folder)
    BertModel(BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, **SIZE)).save_pretrained(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 8}))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}))
    return folder


@pytest.fixture(scope="module", params=POOLS)
def encoder(request, tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("encoders") / request.param, request.param), POOLS[request.param]


@pytest.fixture(scope="module")
def vision(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vision")
    ViTModel(ViTConfig(image_size=32, patch_size=16, **SIZE)).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def expected(folder, pool, text):
    """The text's vector by plain arithmetic, one text at a time: the independent reference."""
    ids = torch.tensor([[WORDS.index(word) for word in text.split()]])
    with torch.inference_mode():
        states = BertModel.from_pretrained(folder).eval()(input_ids=ids).last_hidden_state[0]
    return torch.nn.functional.normalize(pool(states), dim=0)


def query_vectors(retriever, processor, texts):
    with torch.inference_mode():
        return retriever.get_query_features(**processor(text=texts)).pooler_output


@pytest.mark.contract
def test_texts_have_the_vectors_of_the_encoder(encoder):
    """Would fail if a text were pooled otherwise than its encoder was trained, or padding were pooled too."""
    folder, pool = encoder
    retriever = HashtagRetriever.from_backbone_pretrained(folder).eval()
    processor = HashtagRetrieverProcessor.from_backbone_pretrained(folder)
    assert (retriever.config.query, retriever.config.projection_dim, processor.max_description_length) == (
        "text",
        16,
        8,
    )
    vectors = query_vectors(retriever, processor, [*TEXTS, ""])
    for vector, text in zip(vectors, TEXTS):
        torch.testing.assert_close(vector, expected(folder, pool, text), atol=1e-5, rtol=1e-5)
    assert not vectors[2].any()


def test_hashtags_are_encoded_by_their_words(encoder):
    """Would fail if an encoder of words were asked what it makes of a word that nobody wrote before."""
    folder, pool = encoder
    retriever = HashtagRetriever.from_backbone_pretrained(folder).eval()
    processor = HashtagRetrieverProcessor.from_backbone_pretrained(folder)
    with torch.inference_mode():
        vectors = retriever.get_hashtag_features(**processor(hashtags=["#SnowDay", "lake"])).pooler_output
    for vector, words in zip(vectors, ["snow day", "lake"]):
        torch.testing.assert_close(vector, expected(folder, pool, words), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("with_vision", [False, True])
def test_saved_and_loaded(encoder, vision, with_vision, tmp_path):
    """Would fail if a retriever from a sentence encoder were another one after a round through its files."""
    folder, pool = encoder
    parts = {"text": folder, **({"vision": vision} if with_vision else {})}
    retriever = HashtagRetriever.from_backbones_pretrained(
        **parts, **({"query": "text"} if with_vision else {})
    ).eval()
    processor = HashtagRetrieverProcessor.from_backbones_pretrained(**parts)
    retriever.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again, processor = (
        HashtagRetriever.from_pretrained(tmp_path).eval(),
        HashtagRetrieverProcessor.from_pretrained(tmp_path),
    )
    assert (
        again.fingerprint() == retriever.fingerprint() and again.config.text_pooling == retriever.config.text_pooling
    )
    assert processor.word_splitter == "wordninja" and processor.max_description_length == 8
    for vector, text in zip(query_vectors(again, processor, TEXTS), TEXTS):
        torch.testing.assert_close(vector, expected(folder, pool, text), atol=1e-5, rtol=1e-5)


def test_beside_a_vision_encoder(encoder, vision):
    """Would fail if pictures were not seen by the vision encoder that was given, or had another width than texts."""
    folder, _ = encoder
    retriever = HashtagRetriever.from_backbones_pretrained(text=folder, vision=vision).eval()
    processor = HashtagRetrieverProcessor.from_backbones_pretrained(text=folder, vision=vision)
    frames = torch.randint(0, 255, (1, 3, 32, 32), dtype=torch.uint8)
    inputs = processor(videos=[frames], hashtags=["lake"])
    output = retriever(**inputs)
    assert output.video_embeds.shape == output.hashtag_embeds.shape == (1, 16)
    with torch.inference_mode():
        seen = ViTModel.from_pretrained(vision).eval()(inputs["pixel_values_videos"][0]).pooler_output
        projected = torch.nn.functional.normalize(retriever.backbone.visual_projection(seen), dim=-1)
    torch.testing.assert_close(output.video_embeds, projected, atol=1e-5, rtol=1e-5)


def test_every_parameter_learns(encoder):
    """Would fail if a layer that nothing flows through were trained along, which distributed training refuses."""
    folder, _ = encoder
    retriever = HashtagRetriever.from_backbone_pretrained(folder)
    processor = HashtagRetrieverProcessor.from_backbone_pretrained(folder)
    retriever(**processor(text=TEXTS, hashtags=["snow", "lake"]), return_loss=True).loss.backward()
    assert [name for name, value in retriever.named_parameters() if value.requires_grad and value.grad is None] == []


def test_what_is_refused(encoder, vision):
    """Would fail if a text encoder were to see, or another kind of encoder to read."""
    folder, _ = encoder
    with pytest.raises(ValueError, match="no tower that sees"):
        HashtagRetriever.from_backbone_pretrained(folder, query="video")
    with pytest.raises(ValueError, match="`text_pooling` must be one of"):
        HashtagRetrieverConfig(text_pooling="median")
    with pytest.raises(CheckpointError, match="give a vision encoder"):
        HashtagRetriever.from_backbones_pretrained(text=folder, vision=folder)
    with pytest.raises(CheckpointError, match="no text encoder"):
        HashtagRetriever.from_backbones_pretrained(text=vision)
