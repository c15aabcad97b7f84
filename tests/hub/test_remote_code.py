"""Checkpoints with their code, in processes that do not have this package, and in this one, which has it."""

import ast
import json
import logging
import re
import sys
from pathlib import Path

import pytest
from bare_process import run_without_package
from hub_samples import contents, copy_demo, on_hub
from huggingface_hub import upload_file
from transformers import AutoModel, AutoModelForSeq2SeqLM, AutoProcessor, pipeline
from transformers.dynamic_module_utils import get_imports, get_relative_import_files

import transformers_ggm
from transformers_ggm import (
    GGMForHashtagGeneration,
    GGMProcessor,
    HashtagGenerationPipeline,
    HashtagRetriever,
    push_checkpoint_to_hub,
    save_remote_code,
)
from transformers_ggm.errors import CheckpointError
from transformers_ggm.hub.remote_code import accompanying_modules
from transformers_ggm.pipelines import DEMO_CHECKPOINT

WORDS = "twelve hours on the highway"
# What a reader has to install, and what comes with it.
NEEDED_LIBRARIES = {
    "PIL", "av", "fsspec", "huggingface_hub", "jinja2", "numpy", "packaging", "pyarrow", "regex", "safetensors",
    "threadpoolctl", "torch", "torchvision", "transformers", "xxhash", "yaml",
}  # fmt: skip


@pytest.fixture(scope="module")
def coded(tmp_path_factory):
    """The bundled checkpoint with the code of this package."""
    folder = copy_demo(tmp_path_factory.mktemp("coded") / "tags-1.5")
    save_remote_code(folder)
    return folder


@pytest.fixture(scope="module")
def expected(clip):
    """What the installed package predicts, to the rounding that differs between processes."""
    found = pipeline("hashtag-generation", model=DEMO_CHECKPOINT, device="cpu")(clip, description=WORDS)
    return [{**tag, "score": pytest.approx(tag["score"], rel=1e-5)} for tag in found]


def load(model, **kwargs):
    return pipeline("hashtag-generation", model=model, device="cpu", **kwargs)


@pytest.mark.contract
@pytest.mark.slow
def test_a_folder_where_the_package_is_not_installed(coded, clip, expected, tmp_path):
    """
    Would fail if a checkpoint with its code did not work without the package, predicted otherwise, ran its code
    unasked, gave parts of unequal classes, or could not be saved and loaded again there.
    """
    code = """
refusals = []
for trust in (None, False):
    try:
        pipeline("hashtag-generation", model=folder, trust_remote_code=trust)
    except ValueError as error:
        refusals.append(str(error))
code_before = loaded_code()
suggest = pipeline("hashtag-generation", model=folder, trust_remote_code=True, device="cpu")
predictions = suggest(clip, description=words)
parts = {
    "processor": AutoProcessor.from_pretrained(folder, trust_remote_code=True),
    "retriever": AutoModel.from_pretrained(folder, subfolder="retriever", trust_remote_code=True),
    "retriever_processor": AutoProcessor.from_pretrained(folder, subfolder="retriever", trust_remote_code=True),
}
parts_agree = {name: type(part) is type(getattr(suggest, name)) for name, part in parts.items()}
parts_agree["video_processor"] = (
    type(AutoVideoProcessor.from_pretrained(folder, trust_remote_code=True)) is type(suggest.processor.video_processor)
)
whole = AutoModelForSeq2SeqLM.from_pretrained(folder, trust_remote_code=True)
parts_agree["model"] = type(whole) is type(suggest.model)
parts_agree["base"] = type(AutoModel.from_pretrained(folder, trust_remote_code=True)).__name__ == "GGMModel"
suggest.hashtag_pool.add(["newtrend"], suggest.retriever, suggest.retriever_processor, progress_bar=False)
suggest.save_pretrained(saved)
suggest.hashtag_pool.save_pretrained(f"{saved}/pool_alone")
again = pipeline(model=saved, trust_remote_code=True, device="cpu")
assert "newtrend" in again.hashtag_pool
alone = AutoModel.from_pretrained(saved + "/retriever", trust_remote_code=True)
tell(refusals=refusals, code_before=code_before, predictions=predictions, parts_agree=parts_agree,
     saved_predictions=again(clip, description=words),
     same_retriever=alone.fingerprint() == again.retriever.fingerprint())
"""
    saved = tmp_path / "saved"
    told, output = run_without_package(
        code, cache=tmp_path / "cache", folder=coded, clip=clip, words=WORDS, saved=saved
    )
    assert len(told["refusals"]) == 2 and all("trust_remote_code=True" in refusal for refusal in told["refusals"])
    assert told["code_before"] == []
    assert told["predictions"] == expected == told["saved_predictions"]
    assert all(told["parts_agree"].values()), told["parts_agree"]
    assert told["same_retriever"]
    # Asked where nothing was said of trust, and never again.
    assert output.count("Do you wish") == 1 and "instantiate a model of type" not in output
    assert load(str(saved))(clip, description=WORDS) == expected


@pytest.mark.slow
def test_a_repository_where_the_package_is_not_installed(hub, coded, clip, expected, tmp_path):
    """
    Would fail if code from the Hub came from another commit than the model, if the token did not reach all parts, or
    if what was fetched once did not work without a network.
    """
    version = coded / "version.py"
    original = version.read_text()
    version.write_text('__version__ = "0.0.1.other"\n')
    try:
        commit = push_checkpoint_to_hub(coded, "someone/tags", private=True).oid
    finally:
        version.write_text(original)
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags", remote_code=True, revision="next")
    repository = hub.repositories["someone/tags"]

    def push(method, path):
        if re.search("/resolve/.*/ggm_remote.py", path):
            repository.refs["main"] = repository.refs["next"]

    hub.before.append(push)
    code = """
suggest = pipeline("hashtag-generation", model="someone/tags", revision=revision or None, trust_remote_code=True,
                   device="cpu", token="hf_someone")
package = type(suggest).__module__.rpartition(".")[0]
tell(predictions=suggest(clip, description=words), version=sys.modules[package + ".version"].__version__,
     package=package, packages=sorted({name.rpartition(".")[0] for name in loaded_code() if name.endswith(".errors")}))
"""
    cache, given = tmp_path / "cache", {"clip": clip, "words": WORDS}
    told, _ = run_without_package(code, hub, cache, revision="main", **given)
    assert repository.refs["main"] == repository.refs["next"], "the push must have happened while loading"
    assert told["predictions"] == expected and told["version"] == "0.0.1.other"
    assert told["package"].endswith(commit) and told["packages"] == [told["package"]]
    hub.requests.clear()
    offline, _ = run_without_package(code, hub, cache, offline=True, revision=commit, **given)
    assert offline == told and not hub.requests
    newer, _ = run_without_package(code, hub, cache, revision="", **given)
    assert newer["predictions"] == expected and newer["version"] == transformers_ggm.__version__


@pytest.mark.contract
def test_code_is_not_looked_at_where_the_package_is_installed(coded, clip, expected, monkeypatch, caplog):
    """
    Would fail if a checkpoint with code asked, warned or ran it although the package is there, or named the code again
    when it is saved without it.
    """
    monkeypatch.setattr("builtins.input", lambda question: pytest.fail(f"was asked: {question}"))
    monkeypatch.setattr("transformers.dynamic_module_utils.get_class_from_dynamic_module", None)
    logging.getLogger("transformers").addHandler(caplog.handler)
    monkeypatch.setattr(logging.getLogger("transformers"), "handlers", [caplog.handler])
    for arguments in ({}, {"trust_remote_code": False}, {"trust_remote_code": True}):
        suggest = load(str(coded), **arguments)
        assert type(suggest) is HashtagGenerationPipeline and type(suggest.model) is GGMForHashtagGeneration
        assert suggest(clip, description=WORDS) == expected
    model = AutoModelForSeq2SeqLM.from_pretrained(coded)
    processor = AutoProcessor.from_pretrained(coded)
    retriever = AutoModel.from_pretrained(coded, subfolder="retriever")
    kinds = (GGMForHashtagGeneration, GGMProcessor, HashtagRetriever)
    assert (type(model), type(processor), type(retriever)) == kinds
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert not [name for name in sys.modules if name.startswith("transformers_modules.")]


def test_saving_where_the_package_is_installed_leaves_the_code_behind(coded, tmp_path):
    """Would fail if a checkpoint named code that was not saved along with it: it would ask for trust in vain."""
    load(str(coded)).save_pretrained(tmp_path)
    for file in tmp_path.rglob("*.json"):
        assert not {"auto_map", "custom_pipelines"} & set(re.findall(r'"(\w+)":', file.read_text())), file
    assert not list(tmp_path.rglob("*.py"))


def test_pushed_in_the_same_commit_and_taken_back(hub, tmp_path):
    """
    Would fail if code were pushed unasked, apart from its checkpoint or by changing the folder, or if it stayed behind
    when the checkpoint is pushed without.
    """
    folder = copy_demo(tmp_path / "tags")
    before = contents(folder)
    push_checkpoint_to_hub(folder, "someone/tags")
    assert on_hub(hub) == before
    push_checkpoint_to_hub(folder, "someone/tags", remote_code=True)
    assert len(hub.repositories["someone/tags"].commits) == 3 and contents(folder) == before
    pushed = on_hub(hub)
    assert {name: code.decode() for name, code in pushed.items() if name.endswith(".py")} == accompanying_modules()
    config = json.loads(pushed["config.json"])
    assert config.pop("auto_map") and config.pop("custom_pipelines")
    assert config == json.loads(before["config.json"])
    assert {name for name in before if pushed[name] != before[name]} == {
        "config.json", "processor_config.json", "retriever/config.json", "retriever/processor_config.json"
    }  # fmt: skip
    push_checkpoint_to_hub(load(str(folder)), "someone/tags", remote_code=True)
    assert set(on_hub(hub)) == set(pushed)
    push_checkpoint_to_hub(folder, "someone/tags")
    assert on_hub(hub) == before


def test_other_modules_in_the_repository_stay(hub, tmp_path):
    """Would fail if a module of somebody else's that has a name of ours were deleted where our code never was."""
    (tmp_path / "errors.py").write_text("mine = True\n")
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    upload_file(path_or_fileobj=tmp_path / "errors.py", path_in_repo="errors.py", repo_id="someone/tags")
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    assert on_hub(hub)["errors.py"] == b"mine = True\n"


def test_written_code_is_the_package_s_own(coded):
    """
    Would fail if code differed from the package's in anything but where modules import each other from, lacked a
    module, or had two of the same name.
    """
    package = Path(transformers_ggm.__file__).parent
    sources = {}
    for file in package.rglob("*.py"):
        sources.setdefault(file.name, []).append(_without_own_imports(file.read_text(encoding="utf-8")))
    for name, code in accompanying_modules().items():
        assert _without_own_imports(code) in sources[name], name
        for statement in _own_imports(ast.parse(code)):
            assert statement.level == 1
            defined = _names(ast.parse(accompanying_modules()[f"{statement.module}.py"]))
            assert {alias.name for alias in statement.names} <= defined, (name, statement.module)
    reached = {Path(file).name for file in get_relative_import_files(coded / "ggm_remote.py")} | {"ggm_remote.py"}
    assert reached == set(accompanying_modules()) == {file.name for file in coded.glob("*.py")}


def _own_imports(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]


def _without_own_imports(source):
    """A module as a tree, which knows neither places nor line breaks, less its imports of this package's modules."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for field in ("body", "orelse"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                kept = [line for line in statements if not (isinstance(line, ast.ImportFrom) and line.level)]
                setattr(node, field, kept)
    return ast.dump(tree)


def _names(tree):
    names = {node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@pytest.mark.contract
def test_written_code_needs_few_libraries(coded):
    """Would fail if transformers refused the code for want of a library that predicting does not need."""
    libraries = {library for file in coded.glob("*.py") for library in get_imports(file)}
    assert libraries - set(sys.stdlib_module_names) <= NEEDED_LIBRARIES


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "processor_config.json").unlink(), "no processor_config.json"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "bart"}'), "'bart'"),
        (lambda folder: (folder / "retriever" / "config.json").write_text("[]"), "no JSON object"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, spoil, reason):
    """Would fail if code were written beside something that it cannot load, or only half of a checkpoint named it."""
    folder = copy_demo(tmp_path / "tags")
    spoil(folder)
    before = contents(folder)
    with pytest.raises(CheckpointError, match=reason):
        save_remote_code(folder)
    assert contents(folder) == before
