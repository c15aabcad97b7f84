"""Training an adapter: from pretrained backbones, from a trained checkpoint, and on from an adapter."""

import json
import re
import shutil

import pytest
import torch
import yaml
from safetensors.torch import load_file
from training_samples import CHECKPOINT_FILES, command_line, losses, written_at
from transformers import pipeline

from transformers_ggm import GGMForHashtagGeneration, GGMProcessor, load_shorts
from transformers_ggm.errors import CheckpointError
from transformers_ggm.training import callbacks, main
from transformers_ggm.training.main import parse_arguments

peft = pytest.importorskip("peft", reason="peft is not installed: it may want an older transformers")

ADAPTER_FILES = CHECKPOINT_FILES - {"config.json", "generation_config.json", "model.safetensors"} | {
    "adapter_config.json", "adapter_model.safetensors",
}  # fmt: skip
LORA = {"use_lora": True, "lora_r": 2, "learning_rate": 1e-2}
ALL_PARTS = ["decoder", "text", "vision", "audio"]


@pytest.fixture
def train(shorts_dir, tmp_path):
    """Runs a miniature training without a scratch configuration, in `tmp_path / "run"` unless told otherwise."""

    def run(output_dir=tmp_path / "run", **arguments):
        main(command_line(data_dir=shorts_dir, output_dir=output_dir, **arguments))
        return output_dir

    return run


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def adapter_weights(folder):
    return load_file(folder / "adapter_model.safetensors")


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def parameters(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@pytest.fixture(scope="module")
def from_backbones(backbones, shorts_dir, tmp_path_factory):
    """Output folder of an adapter on backbones that were put together for it. Read only."""
    folder = tmp_path_factory.mktemp("from_backbones")
    settings = {**LORA, **backbones, "retriever_num_train_epochs": 1, "weights_dtype": "float16"}
    main(command_line(data_dir=shorts_dir, output_dir=folder, **settings))
    return folder


@pytest.fixture(scope="module")
def adapted(finished, shorts_dir, tmp_path_factory):
    """Output folder of an adapter on a trained checkpoint, with dropout. Read only."""
    folder = tmp_path_factory.mktemp("adapted")
    main(command_line(data_dir=shorts_dir, output_dir=folder, **on(finished / "checkpoint")))
    return folder


def on(base, **arguments):
    """Arguments of a training that adapts all parts of a checkpoint, and leaves its retriever as it is."""
    settings = {"base_checkpoint": base, "keep_retriever": True, "lora_parts": ALL_PARTS, "lora_dropout": 0.1}
    return {**LORA, **settings, "frame_dropout": 0.3, "num_train_epochs": 3, **arguments}


@pytest.mark.contract
def test_checkpoint_of_an_adapter(adapted, finished):
    """Would fail if the result held a whole model, or the processor, retriever or pool were missing beside it."""
    checkpoint = adapted / "checkpoint"
    assert set(written_at(checkpoint)) == ADAPTER_FILES
    config = json.loads((checkpoint / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str((finished / "checkpoint").resolve())
    assert config["r"] == 2 and config["modules_to_save"] is None
    kept = finished / "checkpoint" / "retriever" / "model.safetensors"
    assert (checkpoint / "retriever" / "model.safetensors").read_bytes() == kept.read_bytes()
    assert not (adapted / "base").exists()


def test_training_learns_and_leaves_the_base_as_it_is(adapted, finished):
    """Would fail if nothing were learnt, a part not adapted, or the base's own weights changed."""
    trained = losses(adapted / "runs" / "generator")
    assert trained[-1] < trained[0]
    saved = adapter_weights(adapted / "checkpoint")
    for part in ("decoder.layers", "text_encoder", "vision_encoder", "audio_encoder", "video_grounding"):
        updates = [value for name, value in saved.items() if part in name and "lora_B" in name]
        assert updates and any(value.abs().max() > 0 for value in updates), part
    base = GGMForHashtagGeneration.from_pretrained(finished / "checkpoint")
    before = parameters(base)
    peft.PeftModel.from_pretrained(base, adapted / "checkpoint").unload()
    assert equal(before, parameters(base))


def test_base_of_new_fusion_is_saved_once(from_backbones, shorts_dir):
    """Would fail if the adapter of pretrained backbones could not be put on what it was trained on."""
    saved = adapter_weights(from_backbones / "checkpoint")
    assert {value.dtype for value in saved.values()} == {torch.float16}
    fusion = {name.split("encoder.")[1] for name in saved if "grounding" in name}
    assert {"video_grounding.q_proj.weight", "audio_grounding.out_proj.bias"} <= fusion
    assert GGMProcessor.from_pretrained(from_backbones / "base").feature_extractor is not None
    best = parse_arguments(command_line(data_dir=shorts_dir, output_dir=from_backbones)).best_generators()[0]
    on_base = peft.PeftModel.from_pretrained(
        GGMForHashtagGeneration.from_pretrained(from_backbones / "base"), from_backbones / "checkpoint"
    )
    trained = GGMForHashtagGeneration.from_pretrained(best)
    inputs = {"input_ids": torch.tensor([[0, 7, 8, 2]]), "decoder_input_ids": torch.tensor([[2, 5]])}
    inputs["pixel_values_videos"] = torch.rand(1, 2, 3, 48, 48)
    with torch.no_grad():
        ours, theirs = (model.eval()(**inputs).logits for model in (on_base, trained))
    torch.testing.assert_close(ours, theirs, atol=2e-2, rtol=0)  # half precision


@pytest.mark.parametrize("folder", ["adapted", "from_backbones"])
def test_pipeline_finds_the_base_by_itself(folder, request, shorts_dir):
    """Would fail if the base were not found, the adapter not applied, or parts beside it not used."""
    checkpoint = request.getfixturevalue(folder) / "checkpoint"
    suggest = pipeline("hashtag-generation", model=str(checkpoint), device="cpu")
    assert suggest.processor.num_guidance == 4 and suggest.hashtag_pool is not None
    merged = peft.AutoPeftModelForSeq2SeqLM.from_pretrained(checkpoint).merge_and_unload()
    whole = pipeline(
        "hashtag-generation", model=merged, processor=suggest.processor, device="cpu",
        retriever=str(checkpoint / "retriever"), hashtag_pool=checkpoint / "hashtag_pool",
    )  # fmt: skip
    item = {"video": load_shorts(shorts_dir)["test"][0]["video"], "description": "first snow"}
    ours, theirs = suggest(item), whole(item)
    assert [tag["hashtag"] for tag in ours] == [tag["hashtag"] for tag in theirs]
    assert [tag["score"] for tag in ours] == pytest.approx([tag["score"] for tag in theirs], abs=1e-5)
    # So small a model may write no hashtag at all.
    batch = suggest.processor(videos=[item["video"]], text=["first snow"], guidance=[["rain"]], hashtags=[["snow"]])
    with torch.no_grad():
        torch.testing.assert_close(suggest.model(**batch).logits, merged.eval()(**batch).logits, atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.contract
def test_killed_training_goes_on_as_if_it_had_not_been(adapted, finished, train, tmp_path, monkeypatch):
    """Would fail if a resume lost the adapter's weights, or saw other data, dropout or learning rates."""
    arguments = on(finished / "checkpoint")

    def on_step_begin(self, args, state, control, **kwargs):
        if args.output_dir.endswith("generator") and state.global_step == 4:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.EpochCallback, "on_step_begin", on_step_begin, raising=False)
        with pytest.raises(Killed):
            train(tmp_path / "killed", **arguments)
    assert callbacks.last_checkpoint(tmp_path / "killed" / "runs" / "generator") is not None
    resumed = train(tmp_path / "killed", **arguments)
    assert losses(resumed / "runs" / "generator") == losses(adapted / "runs" / "generator")
    assert equal(adapter_weights(resumed / "checkpoint"), adapter_weights(adapted / "checkpoint"))


def test_an_adapter_is_trained_on(adapted, finished, train):
    """Would fail if training went on from anything but the adapter, or changed its base or rank."""
    arguments = {"use_lora": True, "lora_adapter": adapted / "checkpoint", "keep_retriever": True, "lora_r": 7}
    run = train(**arguments, learning_rate=1e-6, num_train_epochs=1)
    config = json.loads((run / "checkpoint" / "adapter_config.json").read_text())
    assert config["r"] == 2 and config["base_model_name_or_path"] == str((finished / "checkpoint").resolve())
    before, after = adapter_weights(adapted / "checkpoint"), adapter_weights(run / "checkpoint")
    assert not equal(before, after)
    for name, value in after.items():
        torch.testing.assert_close(value, before[name], atol=1e-4, rtol=0)


def test_card(adapted, shorts_dir, monkeypatch, tmp_path):
    """Would fail if the card said what is not so, named folders of this machine, or its usage did not run."""
    folder = shutil.copytree(adapted / "checkpoint", tmp_path / "checkpoint")
    card = (folder / "README.md").read_text(encoding="utf-8")
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata["library_name"] == "peft" and "base_model" not in metadata
    assert {"lora", "peft", "hashtag-generation"} <= set(metadata["tags"])
    assert str(adapted.parent) not in card
    assert f"| parameters | {sum(v.numel() for v in adapter_weights(folder).values()):,} |" in card
    assert "| rank | 2 |" in card and "| peft |" in card and "`vision`" not in card
    shutil.copy(load_shorts(shorts_dir)["test"][0]["video"], folder / "clip.mp4")
    monkeypatch.chdir(folder)
    (usage,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    names = {}
    exec(compile(usage, "README.md", "exec"), names)
    assert names["suggest"].hashtag_pool is not None


def test_card_names_a_base_on_the_hub(adapted, shorts_dir, finished, tmp_path):
    """Would fail if the Hub could not show which model an adapter belongs to."""
    from transformers_ggm.hub_cards.adapter_card import make_adapter_card
    from transformers_ggm.training.evaluate import trained_checkpoint

    copy = shutil.copytree(adapted, tmp_path / "copy")
    path = copy / "checkpoint" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": "someone/ggm"}))
    run = parse_arguments(command_line(data_dir=shorts_dir, output_dir=copy, **on(finished / "checkpoint")))
    summary = json.loads((copy / "evaluation" / "test.json").read_text())
    card = make_adapter_card(trained_checkpoint(run), summary)
    assert card.data.base_model == "someone/ggm" and "https://huggingface.co/someone/ggm" in card.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lora_parts": ["encoder"]}, "no part that LoRA can adapt"),
        ({"lora_parts": ["vision"], "freeze_vision": True}, "freeze_vision"),
        ({"lora_parts": ["audio"], "inputs": ["text", "video"]}, "is given no audio"),
        ({"lora_fusion": "half"}, "half"),
        ({"lora_r": 0}, "rank 1 at least"),
        ({"keep_retriever": True}, "needs a `base_checkpoint`"),
        ({"use_lora": False, "base_checkpoint": "base"}, "--use_lora true"),
        ({"base_checkpoint": "base", "lora_adapter": "adapter"}, "leave `base_checkpoint` out"),
        ({"scratch_config": "scratch.json"}, "cannot make up for"),
        ({"base_checkpoint": "base", "vision_from_retriever": True}, "that of a trained base stays"),
    ],
)
def test_arguments_that_do_not_go_together(tmp_path, arguments, message):
    """Would fail if a combination that cannot mean anything were trained all the same."""
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_arguments(command_line(data_dir=tmp_path, output_dir=tmp_path / "out", **{**LORA, **arguments}))


def test_wrong_bases_are_refused(adapted, finished, train, tmp_path):
    """Would fail if an adapter were trained on an adapter, on a model that writes less, or into a whole model."""
    quick = {"stages": ["prepare", "generator"], "num_guidance": 0}
    with pytest.raises(CheckpointError, match="give it as `lora_adapter`"):
        train(tmp_path / "a", **on(adapted / "checkpoint", **quick))
    with pytest.raises(CheckpointError, match=r"has no adapter_config\.json"):
        train(tmp_path / "b", use_lora=True, lora_adapter=finished / "checkpoint", **quick)
    with pytest.raises(CheckpointError, match="32 tokens at most"):
        train(tmp_path / "c", **on(finished / "checkpoint", max_target_length=40, **quick))
    whole = tmp_path / "d"
    shutil.copytree(finished / "checkpoint", whole / "checkpoint")
    with pytest.raises(CheckpointError, match="do not go into one folder"):
        train(whole, **on(finished / "checkpoint", **quick))


def test_query_of_the_base_retriever_holds(finished, train):
    """Would fail if a retriever that seeks by pictures were asked for words."""
    with pytest.raises(ValueError, match="--retriever_query video"):
        train(stages=["prepare", "retriever"], retriever_query="text", **on(finished / "checkpoint"))
