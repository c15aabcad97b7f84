"""Names and descriptions of many scripts, through the pipeline."""

import shutil
from pathlib import Path

from spoken_names import SPOKEN, whole
from transformers import pipeline


def test_all_languages_go_through(checkpoint, sounding, tmp_path):
    """
    Would fail if a clip of such a name could not be opened, here or in a worker, or its words did not reach the model
    as they are: from right to left, with joined emoji, or cut in two.
    """
    suggest = pipeline("hashtag-generation", model=str(checkpoint), device="cpu", num_beams=1)
    items = [
        {"video": shutil.copy(sounding[0], tmp_path / f"{name}.mp4"), "description": words}
        for name, words in SPOKEN.items()
    ]
    given = Path(sounding[0]).read_bytes()
    plain = [{"video": given, "description": whole(item["description"])} for item in items]
    expected = [[tag["hashtag"] for tag in tags] for tags in suggest(plain, batch_size=len(plain))]
    assert len({str(tags) for tags in expected}) > 1
    for num_workers in (0, 2):
        found = suggest(items, num_workers=num_workers, batch_size=len(items))
        assert [[tag["hashtag"] for tag in tags] for tags in found] == expected
