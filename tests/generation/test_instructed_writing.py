"""What language models write, against plain passes of one row each."""

import pytest
import torch
from instructed_samples import WRITERS, video
from transformers import LogitsProcessor

from transformers_ggm import InstructedForHashtagGeneration, InstructedProcessor
from transformers_ggm.generation.instructed_writing import instructed_hashtags
from transformers_ggm.generation.stopping_criteria import HashtagLimit
from transformers_ggm.processing.answer_hashtags import hashtag_places

ROWS = {
    "text": ["first snow", "a long walk around the lake, with the dog and everybody else", ""],
    "guidance": [["winter", "snowday"], [], ["lake"]],
    "transcript": ["", "come here", ""],
}


@pytest.fixture(scope="module", params=WRITERS)
def generator(request, tmp_path_factory):
    folder = WRITERS[request.param](tmp_path_factory.mktemp("generator"))
    model = InstructedForHashtagGeneration.from_language_model_pretrained(folder, max_new_tokens=12)
    processor = InstructedProcessor.from_language_model_pretrained(
        folder, takes_images=model.config.takes_images, num_frames=2
    )
    return model, processor


def columns(processor):
    return ROWS if processor.prompt_processor is None else {**ROWS, "videos": [video(3), None, video(5)]}


def plain_scores(model, processor, row, answer):
    """The scores of an answer by one pass of the model over prompt and answer, without padding or cache."""
    batch = processor(**{name: [value] for name, value in row.items()})
    start = batch["input_ids"].shape[1]
    count = len(answer)
    for name, tensor in list(batch.items()):
        if tensor.shape == batch["input_ids"].shape and name != "input_ids":
            more = torch.full((1, count), int(name == "attention_mask"))
            batch[name] = torch.cat([tensor, more], dim=1)
    batch["input_ids"] = torch.cat([batch["input_ids"], answer[None]], dim=1)
    with torch.no_grad():
        log_probs = model.language_model(**batch).logits[0].log_softmax(-1)
    return log_probs[start - 1 : -1].gather(-1, answer[:, None])[:, 0]


class Spelling(LogitsProcessor):
    """Makes random weights write hashtags, which changes nothing in how sure they are of them."""

    def __init__(self, tokenizer, end):
        vocabulary = tokenizer.get_vocab()
        self.sign, self.letters = vocabulary["#"], [vocabulary[letter] for letter in "snowy"]
        self.end = end

    def __call__(self, input_ids, scores):
        masked = torch.full_like(scores, -torch.inf)
        masked[:, self.letters] = scores[:, self.letters]
        behind_letters = torch.isin(input_ids[:, -1], torch.tensor(self.letters))
        masked[behind_letters, self.sign] = scores[behind_letters, self.sign] + 4
        masked[behind_letters, self.end] = scores[behind_letters, self.end]
        return masked


@pytest.fixture
def spelling(generator):
    model, processor = generator
    return {"logits_processor": [Spelling(processor.tokenizer, _ends(model)[0])]}


@pytest.mark.contract
@pytest.mark.parametrize(
    "decoding", [{}, {"num_beams": 3, "num_return_sequences": 2}, {"do_sample": True, "top_k": 3}]
)
def test_scores_against_plain_passes(generator, spelling, monkeypatch, decoding):
    """Would fail if padding, other rows, beams or sampling changed how sure the model is said to be of a hashtag."""
    model, processor = generator
    sequences = []
    generate = type(model).generate

    def recording(self, *args, **kwargs):
        output = generate(self, *args, **kwargs)
        sequences.append(output.sequences[:, kwargs["input_ids"].shape[1] :])
        return output

    monkeypatch.setattr(type(model), "generate", recording)
    given = columns(processor)
    found = instructed_hashtags(model, processor, given, **spelling, **decoding)
    assert any(found) and len(found) == 3
    repeats = decoding.get("num_return_sequences", 1)
    order = [0, 2, 1] if "videos" in given else [0, 1, 2]  # rows without frames are asked by themselves
    answers = dict(zip(order, _by_row(sequences, repeats)))
    ends = _ends(model)
    for row, scores in enumerate(found):
        expected = {}
        for answer in answers[row]:
            ended = [place for place, token in enumerate(answer.tolist()) if token in ends]
            answer = answer[: ended[0]] if ended else answer
            if not len(answer):
                continue
            of_row = {name: values[row] for name, values in given.items()}
            log_probs = plain_scores(model, processor, of_row, answer)
            for tag, score in _scored(processor.tokenizer, answer.tolist(), log_probs, cut=not ended).items():
                expected[tag] = max(score, expected.get(tag, 0.0))
        assert scores == pytest.approx(expected, abs=1e-4)
        assert list(scores.values()) == sorted(scores.values(), reverse=True)


def _ends(model):
    ends = model.generation_config.eos_token_id
    return ends if isinstance(ends, list) else [ends]


def _by_row(sequences, repeats):
    return [rows for batch in sequences for rows in batch.split(repeats)]


def _scored(tokenizer, ids, log_probs, cut):
    """Of the first of each hashtag, by the pieces that end within its characters: these tokenizers are of bytes."""
    text, scores = tokenizer.decode(ids), {}
    ends = [len(tokenizer.decode(ids[: count + 1])) for count in range(len(ids))]
    starts = [0, *ends[:-1]]
    for tag, first, last in hashtag_places(text):
        own = [
            place for place in range(len(ids)) if starts[place] < last and max(ends[place], starts[place] + 1) > first
        ]
        if tag not in scores and not (cut and last == len(text)):
            scores[tag] = log_probs[own].mean().exp().item()
    return scores


@pytest.mark.contract
def test_rows_do_not_depend_on_one_another(generator, spelling):
    """Would fail if a row's answer changed with the rows that it shares a batch with."""
    model, processor = generator
    given = columns(processor)
    together = instructed_hashtags(model, processor, given, **spelling)
    alone = [
        instructed_hashtags(model, processor, {name: [values[row]] for name, values in given.items()}, **spelling)[0]
        for row in range(3)
    ]
    for one, other in zip(together, alone):
        assert one == pytest.approx(other, abs=1e-4)


def test_hashtags_of_the_prompt_do_not_count(generator):
    """Would fail if the guidance in the prompt used up the number of hashtags after which writing stops."""
    _, processor = generator
    limit = HashtagLimit(processor.tokenizer, 1)
    prompt = processor(text=["snow"], guidance=[["winter", "lake"]])["input_ids"]
    answer = processor.tokenizer("#snow #", add_special_tokens=False, return_tensors="pt")["input_ids"]
    behind = limit.behind(prompt.shape[1])
    assert not behind(torch.cat([prompt, answer[:, :1]], dim=1), None)
    assert behind(torch.cat([prompt, answer], dim=1), None)


def test_frames_change_answers(generator):
    """Would fail if a model that sees were asked without the frames."""
    model, processor = generator
    if processor.prompt_processor is None:
        pytest.skip("this model reads words alone")
    seen = [processor(text=["a"], videos=[frames]) for frames in (video(3), video(3).flip(0), None)]
    with torch.no_grad():
        first, second, third = (model(**batch).logits[0, -1] for batch in seen)
    assert not torch.allclose(first, second, atol=1e-3) and not torch.allclose(first, third, atol=1e-3)
