import pytest
from training_samples import REPOSITORY

from transformers_ggm.training.arguments import STAGES
from transformers_ggm.training.main import parse_arguments, yaml_arguments

NEEDED = ["--data_dir", "shorts", "--use_cpu", "True"]


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Writes a configuration file."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
        return "config.yaml"

    return write


def test_defaults_are_those_of_the_research_code(tmp_path, monkeypatch):
    """Would fail if a training without arguments were not the published one."""
    monkeypatch.chdir(tmp_path)
    run = parse_arguments([*NEEDED, "--output_dir", "out"])
    training = run.training
    assert (training.learning_rate, training.num_train_epochs, training.warmup_steps) == (5e-5, 30, 20)
    assert (training.max_grad_norm, training.per_device_train_batch_size) == (1.0, 32)
    assert (run.data.guidance_dropout, run.model.num_guidance, run.model.max_target_length) == (1 / 3, 50, 32)
    assert (run.model.frame_position_embedding, run.model.fusion) == ("none", "grounding")
    assert run.model.patch_pooling == 1
    assert run.stage.num_best_checkpoints == 3
    assert run.stage.stages == list(STAGES) and run.model.scratch_config is None


def test_yaml_file_and_overrides(config):
    """Would fail if a configuration file were not read, or the command line did not override it."""
    path = config(
        "data_dir: shorts\nuse_cpu: true\noutput_dir: out\nlearning_rate: 1e-3\nstages: [prepare, pool]\nseed: 3\n"
        "freeze_vision: true\naudio: null\nretriever_whitening_power: null\nlr_scheduler_kwargs: {num_cycles: 2}\n"
    )
    run = parse_arguments([path, "--seed", "4", "--learning_rate", "2e-3"])
    assert (run.training.seed, run.training.learning_rate) == (4, 2e-3)
    assert run.stage.stages == ["prepare", "pool"] and run.model.freeze_vision is True
    assert run.model.audio is None and run.retriever.retriever_whitening_power is None
    assert run.training.lr_scheduler_kwargs == {"num_cycles": 2}
    assert parse_arguments([path, "--stages", "evaluate"]).stage.stages == ["evaluate"]


@pytest.mark.parametrize("audio", ["none", "None", ""])
def test_without_sound(tmp_path, audio):
    """Would fail if a model without sound could not be asked for."""
    assert parse_arguments([*NEEDED, "--output_dir", str(tmp_path), "--audio", audio]).model.audio is None


def test_inputs(tmp_path):
    """Would fail if inputs could not be withheld, or a model that is given no sound kept its audio backbone."""
    needed = [*NEEDED, "--output_dir", str(tmp_path)]
    everything = parse_arguments(needed).model
    assert everything.inputs == ["text", "video", "audio"] and everything.audio is not None
    silent = parse_arguments([*needed, "--inputs", "text", "video"]).model
    assert silent.inputs == ["text", "video"] and silent.audio is None
    blind = parse_arguments([*needed, "--inputs", "audio", "--blank_video", "true"])
    assert blind.model.inputs == ["audio"] and blind.model.audio is not None and blind.data.blank_video


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words", "a: [1\n"])
def test_yaml_file_of_another_kind(config, text):
    """Would fail if a file that is no mapping ended in an error of the YAML reader."""
    with pytest.raises(ValueError, match=r"config\.yaml"):
        yaml_arguments(config(text))


def test_missing_yaml_file():
    """Would fail if a misspelt name ended in an error that does not say what the file was for."""
    with pytest.raises(ValueError, match=r"configuration missing\.yaml cannot be read"):
        parse_arguments(["missing.yaml"])


@pytest.mark.parametrize("name", ["learning_rates", "seed"])
def test_nothing_is_no_value_of_what_cannot_be_none(config, name, capsys):
    """Would fail if `null` passed over a misspelt argument, or stood for a default that is another value."""
    with pytest.raises(SystemExit) as ended:
        parse_arguments([config(f"data_dir: a\noutput_dir: b\n{name}: null\n")])
    assert ended.value.code == 2 and f"--{name}" in capsys.readouterr().err


def test_unknown_argument(config, capsys):
    """Would fail if a misspelt argument were passed over."""
    with pytest.raises(SystemExit) as ended:
        parse_arguments([config("data_dir: a\noutput_dir: b\nlearning_rates: 1\n")])
    assert ended.value.code == 2 and "--learning_rates" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["stages", "overwrite_stages"])
def test_unknown_stage(tmp_path, name):
    """Would fail if a misspelt stage were passed over."""
    with pytest.raises(ValueError, match=rf"`{name}` has unknown stages \['generate'\].*prepare"):
        parse_arguments([*NEEDED, "--output_dir", str(tmp_path), f"--{name}", "pool", "generate"])


UNUSABLE = {
    "no evaluation": (["--eval_strategy", "no"], "eval_strategy"),
    "no checkpoints": (["--save_strategy", "no"], "save_strategy"),
    "unknown input": (["--inputs", "text", "sound"], "'sound'.*choose one or more of"),
    "sound without frames": (["--inputs", "text", "audio"], "hears through the frames"),
    "unknown fusion": (["--fusion", "encoder"], "`fusion` is 'encoder'"),
    "no best checkpoint": (["--num_best_checkpoints", "0"], "num_best_checkpoints"),
}


@pytest.mark.parametrize("arguments, message", UNUSABLE.values(), ids=UNUSABLE)
def test_arguments_without_a_result(tmp_path, arguments, message):
    """Would fail if a training that cannot have a best checkpoint ran for hours and then failed."""
    with pytest.raises(ValueError, match=message):
        parse_arguments([*NEEDED, "--output_dir", str(tmp_path), *arguments])


def test_example_configurations(monkeypatch, tmp_path):
    """Would fail if a configuration in examples/configs named an argument or a file that does not exist."""
    monkeypatch.chdir(REPOSITORY)
    paths = sorted((REPOSITORY / "examples" / "configs").glob("*.yaml"))
    assert paths
    for path in paths:
        run = parse_arguments([str(path), *NEEDED, "--output_dir", str(tmp_path)])
        assert run.model.scratch_config is None or (REPOSITORY / run.model.scratch_config).is_file()
