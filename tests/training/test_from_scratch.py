import json

import pytest
from training_samples import write_scratch_config
from transformers import PreTrainedTokenizerFast

from transformers_ggm.training.from_scratch import ScratchConfig, train_tokenizer

DESCRIPTIONS = ["first snow of the year", "we went to the lake with the dog", "quiet exit by the jazz quartet"] * 3
HASHTAGS = ["bluesquare", "redcircle", "bluecircle", "snowday", "lakelife", "münchen"] * 4


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(DESCRIPTIONS, HASHTAGS, 340)


def test_tokenizer_is_the_same_every_time(tokenizer):
    """
    Would fail if ids or scores were left to the order of a hash table: no training from scratch could be repeated.
    """
    for _ in range(5):
        again = train_tokenizer(DESCRIPTIONS, HASHTAGS, 340)
        assert again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


@pytest.mark.parametrize("text", ["#bluesquare #redsquare", "first snow", "#münchen 東京 🎉", "a  b"])
def test_every_text_can_be_written(tokenizer, text):
    """Would fail if a letter, or a hashtag that never occurred, could not be spelled."""
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_unseen_compounds_are_spelled_with_known_words(tokenizer):
    """Would fail if the tokenizer learnt whole hashtags, so that a new compound had no meaning."""
    assert set(tokenizer.tokenize("#redsquare")) <= set(
        tokenizer.tokenize("#redcircle") + tokenizer.tokenize("#bluesquare")
    )


def test_texts_are_framed_as_bart_does(tokenizer):
    """Would fail if the model could not tell description from guidance, or a special token had another one's id."""
    assert tokenizer.convert_ids_to_tokens(tokenizer("a", "b")["input_ids"]) == [
        "<s>",
        "a",
        "</s>",
        "</s>",
        "b",
        "</s>",
    ]
    assert tokenizer.sep_token_id == tokenizer.eos_token_id and tokenizer.cls_token_id == tokenizer.bos_token_id
    assert len({tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id}) == 4


def test_tokenizer_survives_saving(tokenizer, tmp_path):
    """Would fail if the saved tokenizer were another one."""
    tokenizer.save_pretrained(tmp_path)
    again = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert again("#redsquare in the snow")["input_ids"] == tokenizer("#redsquare in the snow")["input_ids"]


def test_configurations_fit_the_tokenizer(tokenizer, tmp_path):
    """Would fail if a model had another vocabulary or other special tokens than its tokenizer."""
    config = ScratchConfig.from_json(write_scratch_config(tmp_path / "scratch.json"))
    generator, retriever = config.generator_config(tokenizer), config.retriever_config(tokenizer)
    assert generator.text_config.vocab_size == retriever.backbone_config.text_config.vocab_size == len(tokenizer)
    assert generator.eos_token_id == retriever.backbone_config.text_config.eos_token_id == tokenizer.eos_token_id
    assert generator.pad_token_id == tokenizer.pad_token_id


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"vocab_size": 3}), json.dumps({"colour": 1})])
def test_unusable_configuration(tmp_path, content):
    """Would fail if a wrong configuration file ended in an error that does not name it."""
    (tmp_path / "scratch.json").write_text(content)
    with pytest.raises(ValueError, match=r"scratch\.json cannot be used"):
        ScratchConfig.from_json(tmp_path / "scratch.json")
    with pytest.raises(ValueError, match=r"missing\.json cannot be used"):
        ScratchConfig.from_json(tmp_path / "missing.json")


def test_without_sound(tmp_path, tokenizer):
    """Would fail if a small model could not be made without ears, or lost anything else with them."""
    config = ScratchConfig.from_json(write_scratch_config(tmp_path / "scratch.json"))
    deaf = config.without_sound()
    assert deaf.generator_config(tokenizer).audio_config is None
    assert deaf.processors(DESCRIPTIONS, HASHTAGS)[0].feature_extractor is None
    assert config.generator_config(tokenizer).audio_config is not None
    assert vars(deaf) == {**vars(config), "audio": None, "feature_extractor": None}
