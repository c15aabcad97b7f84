"""The paper's generative baselines: GGM with parts switched off."""

import json

import numpy as np
import pytest
import soundfile
import torch
from backbone_folders import write_backbones
from training_samples import CHECKPOINT_FILES, command_line, losses, written_at
from transformers import BartForConditionalGeneration, pipeline

from transformers_ggm import GGMForHashtagGeneration, GGMProcessor, load_shorts
from transformers_ggm.errors import DatasetError
from transformers_ggm.training import main
from transformers_ggm.training.generator import generator_training_arguments, make_generator, make_trainer
from transformers_ggm.training.main import parse_arguments

WITHOUT_RETRIEVER = {"num_guidance": 0, "stages": ["prepare", "generator", "evaluate"], "num_train_epochs": 1}
GENERATOR_FILES = {name for name in CHECKPOINT_FILES if "/" not in name}


def same_tensors(first, second):
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture(scope="module")
def unguided(shorts_dir, scratch_config, tmp_path_factory):
    """Gives the output folder of a finished training without a retriever."""
    finished = {}

    def run(**arguments):
        key = json.dumps(arguments)
        if key not in finished:
            finished[key] = tmp_path_factory.mktemp("unguided")
            settings = {"data_dir": shorts_dir, "output_dir": finished[key], "scratch_config": scratch_config}
            main(command_line(**{**settings, **WITHOUT_RETRIEVER, **arguments}))
        return finished[key]

    return run


SYSTEMS = {
    "BART": {"inputs": ["text"]},
    "VG-BART": {"inputs": ["text", "video"], "freeze_vision": True},
    "TrOCR-FiD": {"inputs": ["video"], "fusion": "decoder"},
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_systems_without_a_retriever(unguided, shorts_dir, system):
    """Would fail if a stage needed the retriever that no part of the model uses, or the result could not be used."""
    run = unguided(**SYSTEMS[system])
    assert set(written_at(run / "checkpoint")) == GENERATOR_FILES
    summary = json.loads((run / "evaluation" / "test.json").read_text())
    assert summary["test_videos"] == 4 and "retrieval_recall_at_k" not in summary
    assert len(losses(run / "runs" / "generator")) == 2
    model = GGMForHashtagGeneration.from_pretrained(run / "checkpoint")
    assert model.config.audio_config is None and model.config.fusion == SYSTEMS[system].get("fusion", "grounding")
    assert GGMProcessor.from_pretrained(run / "checkpoint").feature_extractor is None
    suggest = pipeline("hashtag-generation", model=str(run / "checkpoint"), num_guidance=0, device="cpu")
    items = [{"video": video, "description": "snow"} for video in load_shorts(shorts_dir)["test"]["video"][:3]]
    together, alone = suggest(items, batch_size=3, num_beams=3), [suggest(item, num_beams=3) for item in items]
    for row, expected in zip(together, alone):
        assert [tag["hashtag"] for tag in row] == [tag["hashtag"] for tag in expected]
        assert [tag["score"] for tag in row] == pytest.approx([tag["score"] for tag in expected], rel=1e-3)
        assert all(tag["novel"] is None and tag["guided"] is False for tag in row)


def run_of(output_dir, scratch_config, **arguments):
    """The finished run of a system."""
    settings = {"data_dir": "unused", "output_dir": output_dir, "scratch_config": scratch_config}
    return parse_arguments(command_line(**settings, **WITHOUT_RETRIEVER, **arguments))


def test_bart_never_sees_a_frame(unguided, scratch_config):
    """Would fail if the model that is trained on words alone were another one than BART, or its frames were used."""
    run = run_of(unguided(**SYSTEMS["BART"]), scratch_config, **SYSTEMS["BART"])
    model = GGMForHashtagGeneration.from_pretrained(run.folders.checkpoint).eval()
    bart = BartForConditionalGeneration(model.config.text_config).eval()
    bart.model.shared.load_state_dict(model.model.shared.state_dict())
    bart.model.encoder.load_state_dict(model.model.encoder.text_encoder.state_dict())
    bart.model.decoder.load_state_dict(model.model.decoder.state_dict())
    trainer = make_trainer(run, model, generator_training_arguments(run))
    for loader in (trainer.get_train_dataloader(), trainer.get_eval_dataloader()):
        batch = next(iter(loader))
        assert set(batch) == {"input_ids", "attention_mask", "labels"}
        torch.testing.assert_close(model(**batch).logits, bart(**batch).logits, atol=1e-6, rtol=0)


def test_parts_that_no_input_reaches_are_not_trained(unguided, scratch_config):
    """BART would wait for a retriever's vision, and processes that share its gradients for those of frames."""
    run_dir = unguided(**SYSTEMS["BART"])
    arguments = command_line(
        data_dir="unused",
        output_dir=run_dir,
        scratch_config=scratch_config,
        vision_from_retriever=True,
        inputs=["text"],
    )
    model = make_generator(parse_arguments(arguments))
    loss = model(torch.tensor([[0, 5, 3]]), labels=torch.tensor([[5, 3]])).loss
    loss.backward()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert not any("vision" in name or "grounding" in name for name in trained)


def test_patches_are_pooled(unguided, scratch_config):
    """Would fail if `patch_pooling` were not the model's, so that its training cost as much as without."""
    run_dir = unguided(**SYSTEMS["BART"])
    settings = {"data_dir": "unused", "output_dir": run_dir, "scratch_config": scratch_config, "inputs": ["text"]}
    model = make_generator(parse_arguments(command_line(**settings, patch_pooling=2)))
    assert model.config.patch_pooling == 2
    with pytest.raises(ValueError, match="patch_pooling"):
        parse_arguments(command_line(**settings, patch_pooling=0))


def test_relative_positions(unguided, scratch_config):
    """Would fail if the generator had the published positions, or they started anew at other tokens than hashtags'."""
    run_dir = unguided(**SYSTEMS["BART"])
    settings = {"data_dir": "unused", "output_dir": run_dir, "scratch_config": scratch_config, "inputs": ["text"]}
    switches = {"position_biased_input": False, "restart_positions": True}
    run = parse_arguments(command_line(**settings, text_position_embedding="relative_4", **switches))
    config = make_generator(run).config
    assert (config.text_position_embedding, config.position_biased_input) == ("relative_4", False)
    tokenizer = run.shorts.processor.tokenizer
    starts = {token for text in ("#snow", "a #snow", "#snow #ski") for token in tokenizer(text).input_ids}
    starts = {token for token in starts if "#" in tokenizer.decode([token])}
    assert starts and starts <= set(config.position_restart_token_ids)
    assert all("#" in tokenizer.decode([token]) for token in config.position_restart_token_ids)


def test_frozen_vision_stays(unguided, scratch_config):
    """Would fail if VG-BART's vision encoder learnt, or what looks at its frames did not."""
    run = run_of(unguided(**SYSTEMS["VG-BART"]), scratch_config, **SYSTEMS["VG-BART"])
    start = make_generator(run).get_encoder()
    trained = GGMForHashtagGeneration.from_pretrained(run.folders.checkpoint).get_encoder()
    assert same_tensors(start.vision_encoder, trained.vision_encoder)
    assert not same_tensors(start.video_grounding, trained.video_grounding)


def test_pretrained_retriever_is_not_fetched(shorts_dir, tmp_path):
    """Would fail if a model without guidance were trained only where the retriever it does not use can be had."""
    backbones = {**write_backbones(tmp_path / "backbones"), "retriever": "nobody/has-this"}
    output_dir = tmp_path / "run"
    settings = {"data_dir": shorts_dir, "output_dir": output_dir, **backbones, **WITHOUT_RETRIEVER}
    main(command_line(**settings, fusion="decoder"))
    assert set(written_at(output_dir / "checkpoint")) == GENERATOR_FILES
    assert not (output_dir / "prepared" / "retriever_processor").exists()
    card = (output_dir / "checkpoint" / "README.md").read_text(encoding="utf-8")
    assert "looks at the frames" in card and "retriever finds" not in card


def test_clips_are_decoded_anew_for_a_retriever(shorts_dir, tmp_path):
    """Would fail if a retriever that comes later were trained on frames of the generator's size."""
    backbones = write_backbones(tmp_path / "backbones")
    settings = {"data_dir": shorts_dir, "output_dir": tmp_path / "run", **backbones, "num_guidance": 0}
    shapes = []
    for stages in (["prepare"], ["prepare", "retriever"], ["prepare"]):
        run = parse_arguments(command_line(**settings, stages=stages))
        main(command_line(**settings, stages=stages[:1] if stages == ["prepare"] else stages))
        shapes.append(run.shorts.rows("test")["retriever_frames_shape"][0])
    assert shapes[0] is None and shapes[1][1:] == shapes[2][1:] == [3, 32, 32]


def test_guidance_is_cut_on_reading(finished, shorts_dir, scratch_config):
    """
    Would fail if the generator were shown more of the stored guidance than it is asked for, or other parts of it.
    """
    settings = {"data_dir": shorts_dir, "output_dir": finished, "scratch_config": scratch_config}
    stored = json.loads((finished / "guidance" / "test.json").read_text())
    for count in (4, 2, 1):
        run = parse_arguments(command_line(**{**settings, "num_guidance": count}))
        assert run.shorts.guidance("test") == [tags[:count] for tags in stored]
        assert [row["guidance"] for row in run.shorts.for_generator("test")] == run.shorts.guidance("test")
    run = parse_arguments(command_line(**{**settings, "num_guidance": 0}))
    assert run.shorts.guidance("test") == [[]] * 4


@pytest.fixture(scope="module")
def sounds_dir(tmp_path_factory):
    """Files of sound without words, as a folder of shorts."""
    folder = tmp_path_factory.mktemp("sounds")
    for split, count in (("train", 8), ("validation", 2), ("test", 2)):
        (folder / split).mkdir()
        rows = []
        for number in range(count):
            frequency, tag = ((220, "low"), (1760, "high"))[number % 2]
            tone = 0.5 * np.sin(2 * np.pi * frequency * np.arange(16_000) / 8000)
            soundfile.write(folder / split / f"{number}.ogg", tone, 8000)
            rows.append({"file_name": f"{number}.ogg", "hashtags": [tag]})
        (folder / split / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.mark.parametrize("inputs", [["text", "video", "audio"], ["audio"]])
def test_sound_alone(unguided, sounds_dir, inputs):
    """Would fail if a model of sound could not be trained on files without a picture, or not be used on them."""
    run = unguided(data_dir=str(sounds_dir), inputs=inputs, blank_video=True)
    assert json.loads((run / "evaluation" / "test.json").read_text())["test_videos"] == 2
    weights = GGMForHashtagGeneration.from_pretrained(run / "checkpoint").get_encoder()
    assert weights.audio_encoder is not None
    suggest = pipeline("hashtag-generation", model=str(run / "checkpoint"), num_guidance=0, device="cpu")
    sounds = [str(sounds_dir / "test" / f"{number}.ogg") for number in range(2)]
    assert suggest(sounds) == suggest([{"audio": sound} for sound in sounds])


def test_sound_alone_has_no_retriever(sounds_dir, scratch_config, tmp_path):
    """Would fail if the retriever, which goes by pictures, ended in an error of torch."""
    settings = {"data_dir": sounds_dir, "output_dir": tmp_path, "scratch_config": scratch_config, "blank_video": True}
    with pytest.raises(DatasetError, match="'train' has 0 rows with"):
        main(command_line(**settings, stages=["prepare", "retriever"]))
