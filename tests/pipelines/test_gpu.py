"""
On a GPU: the same hashtags as on a CPU, by every search, in every dtype, from clips, and a training step. Skipped
where there is none.
"""

import pytest
import torch
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, pipeline

from transformers_ggm import DataCollatorForHashtagGeneration, GGMForHashtagGeneration, GGMProcessor, HashtagPool
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.errors import InputError
from transformers_ggm.pipelines import DEMO_CHECKPOINT

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    recipes = sample_recipes("test", 8)
    for recipe in recipes:
        render_clip(recipe, folder / f"{recipe.id}.mp4")
    return [{"video": str(folder / f"{recipe.id}.mp4"), "description": recipe.description} for recipe in recipes]


def suggest_on(device, **arguments):
    return pipeline("hashtag-generation", model=DEMO_CHECKPOINT, device=device, **arguments)


def names(answers):
    return [[tag["hashtag"] for tag in tags] for tags in answers]


@pytest.mark.parametrize("num_beams", [1, 5])
def test_same_hashtags_as_on_a_cpu(items, num_beams):
    """Would fail if a tensor of a search lay on another device, or a kernel of the GPU computed something else."""
    expected = suggest_on("cpu", dtype="float32")(items, num_beams=num_beams)
    suggest = suggest_on("cuda", dtype="float32")
    for options in ({"batch_size": 1}, {"batch_size": 8}, {"batch_size": 3, "num_workers": 2}):
        found = suggest(items, num_beams=num_beams, **options)
        assert names(found) == names(expected)
        for tags, others in zip(found, expected):
            assert [tag["score"] for tag in tags] == pytest.approx([tag["score"] for tag in others], abs=2e-3)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision(items, dtype):
    """Would fail if parts disagreed on a dtype, or rounding changed most of what is suggested first."""
    expected = names(suggest_on("cpu", dtype="float32")(items))
    suggest = suggest_on("cuda", dtype=dtype)
    found = names(suggest(items, batch_size=4))
    same = sum(tags[:1] == others[:1] for tags, others in zip(found, expected))
    assert same >= 6 and suggest.retriever.dtype == suggest.model.dtype


def test_samples_and_assistants(items):
    """Would fail if transformers' own searches got a tensor of the CPU."""
    suggest = suggest_on("cuda")
    assert all(suggest(items[:2], do_sample=True, num_beams=1, max_hashtags=3))
    assert all(suggest(items[:2], generate_kwargs={"prefix_allowed_tokens_fn": lambda *_: list(range(500))}))


def test_a_pool_made_on_a_gpu(items):
    """Would fail if vectors of a GPU were not those of a CPU, or the retriever were taken for another there."""
    cpu, gpu = suggest_on("cpu", dtype="float32"), suggest_on("cuda", dtype="float32")
    hashtags = cpu.hashtag_pool.hashtags[:300]
    pools = [
        HashtagPool.build(hashtags, suggest.retriever, suggest.retriever_processor, progress_bar=False)
        for suggest in (cpu, gpu)
    ]
    assert pools[0].retriever_fingerprint == pools[1].retriever_fingerprint
    torch.testing.assert_close(pools[0].embeddings.float(), pools[1].embeddings.float(), atol=2e-3, rtol=0)
    gpu.hashtag_pool = pools[1]
    assert all(gpu(items[:2]))


def test_what_a_gpu_does_not_have():
    """Would fail if OpenVINO were given what is on a GPU."""
    pytest.importorskip("openvino")
    with pytest.raises(InputError, match="is for processors"):
        suggest_on("cuda", backend="openvino")


def test_training_in_bfloat16(items, tmp_path):
    """Would fail if `Seq2SeqTrainer` could not train and evaluate on a GPU, in mixed precision, from pinned memory."""
    model, processor = (kind.from_pretrained(DEMO_CHECKPOINT) for kind in (GGMForHashtagGeneration, GGMProcessor))
    rows = []
    for index, item in enumerate(items):
        media = processor.decode_media(item["video"])
        frames = processor.video_processor.frames_of(media)
        rows.append({
            "index": index, "frames": frames, "description": item["description"], "guidance": ["snow", "cat"],
            "hashtags": ["cat", "dog"], "input_features": None,
        })  # fmt: skip
    arguments = Seq2SeqTrainingArguments(
        str(tmp_path), bf16=True, max_steps=20, learning_rate=1e-3, per_device_train_batch_size=4, logging_steps=1,
        remove_unused_columns=False, report_to="none", predict_with_generate=True, generation_num_beams=1,
        save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    trainer = Seq2SeqTrainer(
        model,
        arguments,
        train_dataset=rows,
        eval_dataset=rows,
        data_collator=DataCollatorForHashtagGeneration(processor),
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < losses[0] / 2
    assert trainer.predict(rows).predictions.shape[0] == len(rows)
