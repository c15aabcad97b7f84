"""Retrievers that are asked by descriptions, from the clips to the guidance."""

import json
import shutil

import pytest
import torch
from backbone_folders import write_backbones
from training_samples import command_line, losses

from transformers_ggm import HashtagPool, HashtagRetriever, HashtagRetrieverProcessor, load_shorts
from transformers_ggm.errors import DatasetError
from transformers_ggm.training import main
from transformers_ggm.training.main import parse_arguments

STAGES = ["prepare", "retriever", "pool", "guidance"]
POSTS = [
    ("first snow of the year", ["snow", "winter"]),
    ("the dog in the park", ["dog", "park"]),
    ("we went to the lake #lakelife", ["lake"]),
    ("the new album is out", ["music", "album"]),
    ("a song about the rain", ["music", "rain"]),
    ("#nothing #but #hashtags", ["winter"]),
    ("cake for breakfast", ["birthday"]),
    ("a very long walk in the park " * 20, ["park"]),  # more than the text tower's 32 positions
]


@pytest.fixture(scope="module")
def posts_dir(tmp_path_factory):
    """A corpus of words alone; one row of each split has none to go by."""
    folder = tmp_path_factory.mktemp("posts")
    for split, rows in {"train": POSTS * 2, "validation": POSTS, "test": POSTS}.items():
        (folder / split).mkdir()
        lines = [json.dumps({"description": words, "hashtags": tags}) for words, tags in rows]
        (folder / split / "metadata.jsonl").write_text("\n".join(lines))
    return folder


def parts_of(output_dir):
    folder = output_dir / "checkpoint"
    retriever = HashtagRetriever.from_pretrained(folder / "retriever").eval()
    processor = HashtagRetrieverProcessor.from_pretrained(folder / "retriever")
    return retriever, processor, HashtagPool.from_pretrained(folder / "hashtag_pool", retriever=retriever)


def guidance_of(output_dir, split="test"):
    return json.loads((output_dir / "guidance" / f"{split}.json").read_text())


def test_posts_without_any_clip(posts_dir, train):
    """Would fail if a corpus of words could not be trained on, or its guidance were not that of the descriptions."""
    run = train(data_dir=posts_dir, stages=STAGES, retriever_query="text", retriever_num_train_epochs=15)
    retriever, processor, pool = parts_of(run)
    assert retriever.config.query == "text"
    assert losses(run / "runs" / "retriever")[-1] < losses(run / "runs" / "retriever")[0]
    found = guidance_of(run)
    usable = [words for words, _ in POSTS if not words.startswith("#")]
    assert len(found) == len(usable)
    for words, tags in zip(usable, found):
        with torch.no_grad():
            query = retriever.get_query_features(**processor(text=words)).pooler_output
        assert tags == pool.search(query, len(pool))[1][0]
    assert set(pool.hashtags) == {tag for words, tags in POSTS if not words.startswith("#") for tag in tags}


def test_clips_with_words_clips_and_words(shorts_dir, train, tmp_path):
    """Would fail if a row that lacks clip or words were left out, or took part with another row's."""
    data_dir = shutil.copytree(shorts_dir, tmp_path / "shorts")
    lines = (data_dir / "test" / "metadata.jsonl").read_text().splitlines()
    silent = {**json.loads(lines[0]), "description": ""}
    words = {"description": "words alone", "hashtags": ["rain"]}
    with (data_dir / "test" / "metadata.jsonl").open("a") as file:
        file.write(f"{json.dumps(silent)}\n{json.dumps(words)}\n")
    with (data_dir / "train" / "metadata.jsonl").open("a") as file:
        file.write(f"{json.dumps(words)}\n")
    run = train(data_dir=data_dir, stages=STAGES, retriever_query="video+text")
    retriever, processor, pool = parts_of(run)
    for row, tags in zip(load_shorts(data_dir)["test"], guidance_of(run), strict=True):
        videos = {} if row["video"] is None else {"videos": [row["video"]]}
        with torch.no_grad():
            query = retriever.get_query_features(**processor(**videos, text=row["description"])).pooler_output
        assert tags == pool.search(query, len(pool))[1][0]
    assert guidance_of(run)[0] != guidance_of(run)[4]  # the same clip with words and without


def test_rows_that_make_pairs(shorts_dir, train, tmp_path):
    """Would fail if training drew a pair without a query, or left out a row that has one."""
    data_dir = shutil.copytree(shorts_dir, tmp_path / "shorts")
    metadata = data_dir / "train" / "metadata.jsonl"
    rows = [{**json.loads(line), "description": "first snow"} for line in metadata.read_text().splitlines()]
    rows[0]["description"] = "#only #hashtags"
    rows += [{"description": "words alone", "hashtags": ["rain"]}, {"description": "more words", "hashtags": ["snow"]}]
    metadata.write_text("\n".join(map(json.dumps, rows)))
    output_dir = train(data_dir=data_dir, stages=["prepare"])
    for query, missing in {"video": {16, 17}, "text": {0}, "video+text": set()}.items():
        run = parse_arguments(command_line(data_dir=data_dir, output_dir=output_dir, retriever_query=query))
        pairs = run.shorts.for_retriever("train", only_pairs=True)
        expected = [row["hashtags"] for i, row in enumerate(load_shorts(data_dir)["train"]) if i not in missing]
        assert [pairs[i]["hashtags"] for i in range(len(pairs))] == expected
        assert len(run.shorts.for_retriever("train")) == 18


def test_words_are_needed_for_a_query_of_words(shorts_dir, train, tmp_path):
    """Would fail if clips without words ended in an error of torch."""
    data_dir = shutil.copytree(shorts_dir, tmp_path / "shorts")
    metadata = data_dir / "train" / "metadata.jsonl"
    rows = [{**json.loads(line), "description": ""} for line in metadata.read_text().splitlines()]
    metadata.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DatasetError, match="'train' has 0 rows with a hashtag and a description"):
        train(data_dir=data_dir, stages=["prepare", "retriever"], retriever_query="text")


def test_pretrained_dual_encoder(posts_dir, tmp_path):
    """Would fail if a pretrained retriever took no other query, or descriptions longer than its positions."""
    backbones = write_backbones(tmp_path / "backbones")
    output_dir = tmp_path / "run"
    main(command_line(data_dir=posts_dir, output_dir=output_dir, stages=STAGES, retriever_query="text", **backbones))
    retriever, processor, _ = parts_of(output_dir)
    assert retriever.config.query == "text" and processor.max_description_length == 32
    assert all(guidance_of(output_dir))


def test_guidance_is_kept_whole_and_cut_where_it_is_read(finished, shorts_dir):
    """Would fail if another number of hashtags took a second retrieval, or the generator were shown all of them."""
    stored = guidance_of(finished)
    assert len(stored[0]) > 6
    for number in (0, 4, 6):
        arguments = command_line(data_dir=shorts_dir, output_dir=finished, num_guidance=number)
        run = parse_arguments(arguments)
        assert run.shorts.guidance("test") == [tags[:number] for tags in stored]
        shorts = run.shorts.for_generator("test")
        assert [shorts[i]["guidance"] for i in range(len(shorts))] == run.shorts.guidance("test")


def test_unknown_query_is_refused(shorts_dir, tmp_path):
    """Would fail if a misspelt query were found out after the clips are decoded."""
    with pytest.raises(ValueError, match="`retriever_query` is 'words'"):
        parse_arguments(command_line(data_dir=shorts_dir, output_dir=tmp_path, retriever_query="words"))
