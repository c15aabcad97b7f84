import json

import pytest
import torch
from training_samples import CHECKPOINT_FILES, command_line, losses, written_at
from transformers import AutoModel, AutoModelForSeq2SeqLM, AutoProcessor

from transformers_ggm import GGMForHashtagGeneration, GGMProcessor, HashtagPool, HashtagRetriever, load_shorts
from transformers_ggm.training import main


@pytest.fixture(scope="module")
def output_dir(backbones, shorts_dir, tmp_path_factory):
    """Output folder of a training of all stages from tiny pretrained ViT, BART, CLAP and CLIP."""
    folder = tmp_path_factory.mktemp("pretrained")
    main(command_line(data_dir=shorts_dir, output_dir=folder, **backbones, retriever_learning_rate=1e-4))
    return folder


def test_every_stage_runs(output_dir):
    """Would fail if a stage could not do with the files that the Hub has for the real backbones."""
    assert set(written_at(output_dir / "checkpoint")) >= CHECKPOINT_FILES
    summary = json.loads((output_dir / "evaluation" / "test.json").read_text())
    assert summary["test_videos"] == 4
    generator = losses(output_dir / "runs" / "generator")
    assert generator[-1] < generator[0] and len(losses(output_dir / "runs" / "retriever")) == 4


def test_checkpoint_loads_by_the_auto_classes(output_dir, shorts_dir):
    """Would fail if the checkpoint could not be loaded without naming its classes, or did not generate then."""
    processor = AutoProcessor.from_pretrained(output_dir / "checkpoint")
    model = AutoModelForSeq2SeqLM.from_pretrained(output_dir / "checkpoint").eval()
    retriever = AutoModel.from_pretrained(output_dir / "checkpoint" / "retriever")
    assert (type(processor), type(model), type(retriever)) == (GGMProcessor, GGMForHashtagGeneration, HashtagRetriever)
    HashtagPool.from_pretrained(output_dir / "checkpoint" / "hashtag_pool", retriever=retriever)
    row = load_shorts(shorts_dir)["test"][0]
    inputs = processor(videos=[row["video"]], text=["first snow"], guidance=[["rain"]])
    assert inputs["pixel_values_videos"].shape[-2:] == (48, 48) and inputs["input_features"].shape[-1] == 16
    assert processor.decode_hashtags(model.generate(**inputs)) is not None
    assert model.generation_config.num_beams == 5 and model.generation_config.max_length == 32


def test_processors_are_the_backbones(output_dir):
    """Would fail if the retriever's frames were normalised like the generator's, or the other way round."""
    generator = AutoProcessor.from_pretrained(output_dir / "checkpoint").video_processor
    retriever = AutoProcessor.from_pretrained(output_dir / "checkpoint" / "retriever").video_processor
    assert list(generator.image_mean) == [0.5, 0.5, 0.5]
    assert list(retriever.image_mean) == pytest.approx([0.48145466, 0.4578275, 0.40821073])


def test_training_starts_from_the_backbones(output_dir, backbones):
    """Would fail if training started from random weights although pretrained ones are named."""
    trained = GGMForHashtagGeneration.from_pretrained(output_dir / "checkpoint")
    start = AutoModel.from_pretrained(backbones["vision"]).state_dict()
    vision = trained.get_encoder("video").state_dict()
    for name, weights in vision.items():
        assert torch.allclose(weights, start[name], atol=0.02), name  # 4 steps of at most 0.001 each
    retriever = HashtagRetriever.from_pretrained(output_dir / "checkpoint" / "retriever").backbone.state_dict()
    for name, weights in AutoModel.from_pretrained(backbones["retriever"]).state_dict().items():
        assert torch.allclose(retriever[name].float(), weights.float(), atol=0.01), name


def test_card_tells_the_settings_but_no_local_folders_as_base_models(output_dir, backbones):
    """Would fail if the card named folders of this machine, or called the model trained from scratch."""
    card = (output_dir / "checkpoint" / "README.md").read_text(encoding="utf-8")
    assert "base_model" not in card and "from scratch" not in card
    assert "| `vision` | `vit`, a local folder |" in card
    assert str(backbones["vision"].parent) not in card


def test_without_sound(backbones, shorts_dir, tmp_path):
    """Would fail if a model without an audio backbone could not be trained."""
    settings = {**backbones, "audio": "none", "num_train_epochs": 1, "retriever_num_train_epochs": 1}
    main(command_line(data_dir=shorts_dir, output_dir=tmp_path, **settings))
    assert GGMProcessor.from_pretrained(tmp_path / "checkpoint").feature_extractor is None
    assert "It does not hear the sound." in (tmp_path / "checkpoint" / "README.md").read_text(encoding="utf-8")
