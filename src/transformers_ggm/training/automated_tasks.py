"""
Automated tasks (Liang and Shu, IJCNLP 2017): the generator learns missing words, next words and next characters of
the texts that it reads, beside hashtags. Of the paper only the abstract could be read: the details are our choices.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.modeling_outputs import Seq2SeqLMOutput

from ..errors import ArgumentError, CheckpointError
from ..modeling import GGMForHashtagGeneration
from ..modeling.backbones import capped, scaled_for_head
from ..modeling.configuration_ggm import decoder_config_of, hidden_size_of
from ..processing.token_ids import LABEL_PADDING
from .automated_task_arguments import AutomatedTaskArguments
from .automated_task_inputs import AutomatedTaskCollator
from .distillation import GGMDistillationTrainer
from .ggm_trainer import GGMTrainer

HEADS_FILE = "automated_tasks.safetensors"
# What the heads are called as a part of the model while it is trained.
HEADS = "automated_task_heads"
_BYTES = 256
_CHARACTER_SIZE = 128


@dataclass
class AutomatedTaskOutput(Seq2SeqLMOutput):
    """
    What the model gives while it is trained.

    Args:
        automated_task_loss (`torch.FloatTensor`, *optional*): the sum of the losses of the tasks, a scalar.
    """

    automated_task_loss: torch.FloatTensor | None = None


class NextCharacterHead(nn.Module):
    """
    A gated recurrent unit over the bytes of characters, which starts from the mean of the states of the words before.

    Args:
        state_size (`int`): width of these states.
    """

    def __init__(self, state_size: int):
        super().__init__()
        # One more than there are bytes: what stands before the first.
        self.embedding = nn.Embedding(_BYTES + 1, _CHARACTER_SIZE)
        self.first_state = nn.Linear(state_size, _CHARACTER_SIZE)
        self.recurrent = nn.GRU(_CHARACTER_SIZE, _CHARACTER_SIZE, batch_first=True)
        self.output = nn.Linear(_CHARACTER_SIZE, _BYTES)

    def forward(self, states: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """
        Args:
            states (`torch.FloatTensor` of shape `(batch, text_length, state_size)`): of the words before.
            mask (`torch.LongTensor` of shape `(batch, text_length)`): 1 on tokens, 0 on padding.
            labels (`torch.LongTensor` of shape `(batch, characters)`): the bytes, -100 on padding.

        Returns:
            `torch.FloatTensor` of shape `(batch, characters, 256)`: logits of each byte, from those before it.
        """
        with torch.autocast(states.device.type, enabled=False):  # which recurrent units of CPUs do not know
            counted = mask[..., None].float()
            mean = (states.float() * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
            first = torch.tanh(self.first_state(mean))
            seen = nn.functional.pad(labels[:, :-1].clamp(min=0), (1, 0), value=_BYTES)
            return self.output(self.recurrent(self.embedding(seen), first[None])[0])


class AutomatedTaskHeads(nn.Module):
    """
    What the tasks have beside the model. They are a part of it while it is trained, so that they are trained with it
    in every way, but not of its weights: checkpoints are those of a model without.

    Args:
        tasks (`Sequence[str]`): some of `AUTOMATED_TASKS`.
        model ([`GGMForHashtagGeneration`]): the model.
    """

    def __init__(self, tasks: Sequence[str], model: GGMForHashtagGeneration):
        super().__init__()
        text_config = model.config.text_config
        if "next_word" in tasks:
            self.start = nn.Parameter(torch.zeros(hidden_size_of(decoder_config_of(text_config))))
        if "next_character" in tasks:
            self.next_character = NextCharacterHead(hidden_size_of(text_config))
        self.register_load_state_dict_post_hook(_miss_nothing)

    def state_dict(self, *args, destination=None, **kwargs) -> dict[str, torch.Tensor]:
        """As in PyTorch, but asked for as a part of the model's there is nothing."""
        return super().state_dict(*args, **kwargs) if destination is None else destination


def _miss_nothing(heads: AutomatedTaskHeads, found: Any) -> None:
    """What the model's weights do not have is not to be told of as missing."""
    found.missing_keys[:] = [name for name in found.missing_keys if not name.startswith(f"{HEADS}.")]


def vocabulary_logits(model: GGMForHashtagGeneration, states: torch.Tensor) -> torch.Tensor:
    """Logits over the tokens by the output embeddings; nothing is copied."""
    text_config = model.config.text_config
    return capped(model.lm_head(scaled_for_head(states, text_config)), text_config) + model.final_logits_bias


def missing_word_loss(model: GGMForHashtagGeneration, heads: AutomatedTaskHeads, ids, mask, labels) -> torch.Tensor:
    """
    The cross-entropy of masked tokens by the states of the text encoder.

    Args:
        model ([`GGMForHashtagGeneration`]), heads ([`AutomatedTaskHeads`]): in training.
        ids, mask (`torch.LongTensor` of shape `(batch, text_length)`): what the encoder reads.
        labels (`torch.LongTensor` of shape `(batch, text_length)`): the masked tokens, -100 elsewhere.

    Returns:
        `torch.FloatTensor`: the sum over the tokens, a scalar.
    """
    states = model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
    is_masked = labels != LABEL_PADDING
    return _summed(vocabulary_logits(model, states[is_masked]), labels[is_masked])


def next_word_loss(model: GGMForHashtagGeneration, heads: AutomatedTaskHeads, ids, mask, labels) -> torch.Tensor:
    """
    The cross-entropy of a text that the decoder writes from a start of its own, which says that no hashtags are asked
    for. Arguments and result are as in [`missing_word_loss`]; `labels` `(batch, target_length)` are the text.
    """
    seen = model.get_decoder().get_input_embeddings()(labels[:, :-1].clamp(min=0))
    start = heads.start.to(seen.dtype).expand(len(labels), 1, -1)
    hidden = model.model(
        input_ids=ids,
        attention_mask=mask,
        decoder_inputs_embeds=torch.cat([start, seen], dim=1),
        use_cache=False,
    ).last_hidden_state
    return _summed(vocabulary_logits(model, hidden), labels)


def next_character_loss(model: GGMForHashtagGeneration, heads: AutomatedTaskHeads, ids, mask, labels) -> torch.Tensor:
    """
    The cross-entropy of the bytes of the words that follow, of which the encoder reads none. Arguments and result are
    as in [`missing_word_loss`]; `labels` `(batch, characters)` are the bytes.
    """
    states = model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
    return _summed(heads.next_character(states, mask, labels), labels)


def _summed(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(
        logits.flatten(0, -2).float(), labels.flatten(), ignore_index=LABEL_PADDING, reduction="sum"
    )


TASK_LOSSES: dict[str, Callable[..., torch.Tensor]] = {
    "missing_word": missing_word_loss,
    "next_word": next_word_loss,
    "next_character": next_character_loss,
}


class AutomatedTasksMixin:
    """
    Adds automated tasks to a generator's trainer: L = L_hashtags + weight * (L_task + ...), where the loss of a task
    is the mean over all tokens, or bytes, that it has in a step. Evaluation is without them.

    Args:
        *args, **kwargs: as for the trainer.
        automated_tasks ([`AutomatedTaskArguments`]): which tasks, and their weight.

    Raises:
        ArgumentError: the model, its tokenizer, or the way in which it is spread does not allow it.
    """

    def __init__(self, *args, automated_tasks: AutomatedTaskArguments, **kwargs):
        super().__init__(*args, **kwargs)
        self.automated_tasks = automated_tasks
        self._check_tasks()
        self.data_collator = AutomatedTaskCollator(self.data_collator, automated_tasks.automated_tasks)
        # The same whatever was drawn before; and what is drawn later is the same as without.
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(self.args.seed)
            self.task_heads = AutomatedTaskHeads(automated_tasks.automated_tasks, self.model).to(self.args.device)
        self._task_inputs: dict[str, torch.Tensor] | None = None
        self._task_counts: dict[str, torch.Tensor] = {}

    def _check_tasks(self) -> None:
        if not self.automated_tasks.automated_tasks:
            raise ArgumentError("`automated_tasks` has no task: name one, or use the trainer without.")
        if not isinstance(self.model, GGMForHashtagGeneration):
            raise ArgumentError(
                f"`automated_tasks` trains a whole GGM, not a {type(self.model).__name__}: leave it out."
            )
        if self.is_fsdp_enabled or self.is_deepspeed_enabled or self.args.n_gpu > 1:
            raise ArgumentError(
                "`automated_tasks` needs the whole model in every process: start one for each GPU by `accelerate"
                " launch --multi_gpu`, without FSDP and DeepSpeed, or leave it out."
            )
        text_config = self.model.config.text_config
        is_wide_as = hidden_size_of(text_config) == hidden_size_of(decoder_config_of(text_config))
        if "missing_word" in self.automated_tasks.automated_tasks and not is_wide_as:
            raise ArgumentError(
                "`automated_tasks` missing_word reads the encoder's states by the output embeddings, which have"
                " another width in this text backbone: leave it out."
            )

    def train(self, *args, **kwargs):
        """As in transformers; the heads of the tasks are a part of the model meanwhile."""
        model = self.model
        model.add_module(HEADS, self.task_heads)
        # By a hook, so that processes join the gradients of tasks and hashtags after one forward pass.
        hook = model.register_forward_hook(self._add_task_loss)
        try:
            return super().train(*args, **kwargs)
        finally:
            hook.remove()
            delattr(model, HEADS)

    def get_batch_samples(self, epoch_iterator, num_batches, device):
        batches, num_items_in_batch = super().get_batch_samples(epoch_iterator, num_batches, device)
        if batches:
            self._task_counts = self._count_targets(batches, device)
        return batches, num_items_in_batch

    def _count_targets(self, batches: Sequence[Mapping[str, Any]], device: Any) -> dict[str, torch.Tensor]:
        """How many tokens, or bytes, each task has in a step; in that of all processes where they go by it."""
        tasks = self.automated_tasks.automated_tasks
        each = [(batch[f"{task}_labels"] != LABEL_PADDING).sum() for batch in batches for task in tasks]
        counts = torch.stack(each).view(len(batches), -1).sum(dim=0).to(device)
        if self.args.average_tokens_across_devices and self.args.world_size > 1:
            counts = self.accelerator.gather(counts[None]).sum(dim=0)
        return dict(zip(tasks, counts.clamp(min=1)))

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        tasks = tuple(self.automated_tasks.automated_tasks)
        of_tasks = {name: value for name, value in inputs.items() if name.startswith(tasks)}
        inputs = {name: value for name, value in inputs.items() if name not in of_tasks}
        weight = self.automated_tasks.automated_task_weight
        if not model.training or not weight:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if num_items_in_batch is None:
            self._task_counts = self._count_targets([of_tasks], self.args.device)
        self._task_inputs = of_tasks
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        loss = loss + weight * outputs.automated_task_loss
        return (loss, outputs) if return_outputs else loss

    def _add_task_loss(self, model: GGMForHashtagGeneration, args: tuple, outputs: Any) -> AutomatedTaskOutput | None:
        """The model's output for a batch of hashtags with the sum of the losses of the tasks."""
        if self._task_inputs is None:
            return None
        inputs, self._task_inputs = self._task_inputs, None
        with self.accelerator.autocast():
            loss = sum(
                self.loss_shares
                * TASK_LOSSES[task](
                    model,
                    self.task_heads,
                    inputs[f"{task}_input_ids"],
                    inputs[f"{task}_attention_mask"],
                    inputs[f"{task}_labels"],
                )
                / self._task_counts[task]
                for task in self.automated_tasks.automated_tasks
            )
        return AutomatedTaskOutput(**outputs, automated_task_loss=loss)

    def _save_optimizer_and_scheduler(self, output_dir):
        super()._save_optimizer_and_scheduler(output_dir)
        if self.args.should_save:
            save_file(self.task_heads.state_dict(), Path(output_dir, HEADS_FILE))

    def _load_optimizer_and_scheduler(self, checkpoint):
        if checkpoint is not None:
            self._load_heads(Path(checkpoint, HEADS_FILE))
        super()._load_optimizer_and_scheduler(checkpoint)

    def _load_heads(self, file: Path) -> None:
        stored = load_file(file) if file.is_file() else {}
        if stored.keys() != self.task_heads.state_dict().keys():
            raise CheckpointError(
                f"{file.parent} is of a training with other automated tasks than"
                f" {self.automated_tasks.automated_tasks}: go on with those, or begin anew."
            )
        self.task_heads.load_state_dict(stored)


class GGMAutomatedTaskTrainer(AutomatedTasksMixin, GGMTrainer):
    r"""
    [`GGMTrainer`] with automated tasks.

    Args:
        *args, **kwargs: as for [`GGMTrainer`].
        automated_tasks ([`AutomatedTaskArguments`]): which tasks, and their weight.

    Example:

    ```python
    >>> trainer = GGMAutomatedTaskTrainer(
    ...     model, arguments, train_dataset=posts, processing_class=processor,
    ...     automated_tasks=AutomatedTaskArguments(["missing_word"], automated_task_weight=0.3),
    ... )  # doctest: +SKIP
    >>> trainer.train()  # doctest: +SKIP

    ```
    """


class GGMAutomatedTaskDistillationTrainer(AutomatedTasksMixin, GGMDistillationTrainer):
    """
    [`GGMDistillationTrainer`] with automated tasks, of which the teacher knows nothing.

    Args:
        *args, **kwargs: as for [`GGMDistillationTrainer`].
        automated_tasks ([`AutomatedTaskArguments`]): which tasks, and their weight.
    """


WITH_TASKS: dict[type, type] = {
    GGMTrainer: GGMAutomatedTaskTrainer,
    GGMDistillationTrainer: GGMAutomatedTaskDistillationTrainer,
}
