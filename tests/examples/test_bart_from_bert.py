import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer, ResNetConfig, ResNetModel

from transformers_ggm import GGMForHashtagGeneration, GGMProcessor, GGMVideoProcessor
from transformers_ggm.errors import CheckpointError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "#", "snow", "lake", "first", "##day", "on", "the"]


def write_bert(folder, **changes):
    """A tiny BERT with random weights and its tokenizer, as the Hub has them."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
    sizes |= {"max_position_embeddings": 40, "vocab_size": len(WORDS), "initializer_range": 0.1}
    bert = BertModel(BertConfig(**{**sizes, **changes}))
    for parameter in bert.parameters():  # biases and norms too, which start as zeros and ones
        parameter.data += torch.randn_like(parameter) * 0.1
    bert.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return bert.eval()


@pytest.fixture(scope="module")
def folders(tmp_path_factory, load_example):
    """Folders of a BERT, of the BART made from it, and of a vision tower."""
    folder = tmp_path_factory.mktemp("backbones")
    write_bert(folder / "bert")
    load_example("bart_from_bert").convert(str(folder / "bert"), str(folder / "bart"), decoder_layers=1)
    ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1])).save_pretrained(folder / "resnet")
    return folder


def test_the_encoder_says_what_bert_says(folders):
    """Would fail if a weight were lost or misplaced, or positions, segments or normalisation differed from BERT's."""
    bert = BertModel.from_pretrained(folders / "bert").eval()
    model = GGMForHashtagGeneration.from_backbones_pretrained(str(folders / "resnet"), str(folders / "bart")).eval()
    input_ids = torch.randint(4, len(WORDS), (3, 40), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(input_ids)
    mask[1, 25:], mask[2, 3:] = 0, 0
    input_ids[mask == 0] = 0
    with torch.no_grad():
        ours = model.get_encoder().text_encoder(input_ids, mask, output_hidden_states=True).hidden_states
        theirs = bert(input_ids, mask, output_hidden_states=True).hidden_states
    assert len(ours) == len(theirs) == 4
    for our, their in zip(ours, theirs):
        torch.testing.assert_close(our[mask == 1], their[mask == 1], atol=1e-4, rtol=0)


def test_texts_are_framed_and_learned(folders, tmp_path):
    """
    Would fail if the tokenizer framed texts otherwise than the model expects, or the new decoder could not learn.
    """
    from transformers import AutoTokenizer

    torch.manual_seed(0)
    model = GGMForHashtagGeneration.from_backbones_pretrained(str(folders / "resnet"), str(folders / "bart"))
    processor = GGMProcessor(
        GGMVideoProcessor(), AutoTokenizer.from_pretrained(folders / "bart"), max_text_length=40, max_target_length=12
    )
    rows = [["snowday", "lake"], ["lake"]]
    batch = processor(
        text=["first snow on the lake", "the lake"], guidance=[["snow"], []], hashtags=rows, return_tensors="pt"
    )
    tokenizer = processor.tokenizer
    assert tokenizer.convert_ids_to_tokens(batch["input_ids"][0]) == (
        ["[CLS]", "first", "snow", "on", "the", "lake", "[SEP]", "#", "snow", "[SEP]"]
    )
    assert tokenizer.convert_ids_to_tokens(batch["labels"][0]) == (
        ["[CLS]", "#", "snow", "##day", "#", "lake", "[SEP]"]
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        model(**batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    batch.pop("labels")
    written = model.eval().generate(**batch)
    assert processor.decode_hashtags(written) == rows
    assert (written == tokenizer.sep_token_id).any(dim=1).all()


def test_what_cannot_be_carried_over(folders, tmp_path, load_example):
    """Would fail if another model, or another activation function, were converted to something else than it is."""
    convert = load_example("bart_from_bert").convert
    with pytest.raises(CheckpointError, match="'resnet'"):
        convert(str(folders / "resnet"), str(tmp_path / "bart"))
    write_bert(tmp_path / "relu", hidden_act="relu")
    with pytest.raises(CheckpointError, match="'relu'"):
        convert(str(tmp_path / "relu"), str(tmp_path / "bart"))
    with pytest.raises(CheckpointError, match="nothing_here"):
        convert(str(tmp_path / "nothing_here"), str(tmp_path / "bart"))
    assert not (tmp_path / "bart").exists()
