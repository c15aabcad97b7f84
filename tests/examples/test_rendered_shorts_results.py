"""What the bundled model uses each of its inputs for, on clips that its training never saw."""

import pytest

from transformers_ggm.data.rendered_shorts import render_shorts
from transformers_ggm.pipelines import DEMO_CHECKPOINT

pytestmark = pytest.mark.slow
NUM_CLIPS = 300


@pytest.fixture(scope="module")
def metrics(load_example, tmp_path_factory):
    """Metrics by setting, on the first half of the test split that docs/results.md has metrics of."""
    shorts = tmp_path_factory.mktemp("shorts")
    render_shorts(shorts, num_train=0, num_validation=0, num_test=NUM_CLIPS)
    return dict(load_example("rendered_shorts_results").measure(DEMO_CHECKPOINT, shorts))


def test_f1_with_all_inputs(metrics):
    """Would fail if the bundled weights, their processor or their pool were not those that were trained."""
    assert metrics["all inputs"]["F1"] >= 80


@pytest.mark.parametrize(
    "setting, cause",
    [
        ("without sound", "heard"),
        ("without frames (one black frame, no guidance)", "seen"),
        ("without words", "words"),
    ],
)
def test_each_input_gives_its_own_hashtags(metrics, setting, cause):
    """Would fail if hashtags of a cause came from anywhere but their own input, or hung on another input."""
    with_all, without = metrics["all inputs"], metrics[setting]
    assert with_all[cause] - without[cause] >= 40
    for other in {"seen", "heard", "words"} - {cause}:
        assert abs(with_all[other] - without[other]) <= 10


def test_held_out_compounds_come_from_the_pool(metrics):
    """Would fail if hashtags added to the pool after training did not reach what the model writes."""
    assert metrics["all inputs, held-out compounds in the pool"]["held-out compounds"] >= 30


def test_guidance_helps_without_a_description(metrics):
    """Would fail if the model wrote the same whatever the retriever finds."""
    gain = metrics["without words"]["ROUGE-1"] - metrics["without words and guidance"]["ROUGE-1"]
    assert gain >= 8
