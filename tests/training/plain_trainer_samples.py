"""A miniature generator, rows for it, and transformers' own trainers with nothing of ours but the collator."""

import torch
from torch.utils.data import Dataset
from training_samples import SCRATCH
from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments

from transformers_ggm import GGMForHashtagGeneration
from transformers_ggm.training.from_scratch import ScratchConfig

WORDS = ["rain", "snow", "lake", "dog", "cat", "song", "night", "river"]
DESCRIPTIONS = ["first snow of the year", "we went to the lake", "my dog", "what a night by the river it was"]


class Rows(Dataset):
    """Rows of words alone, every one with other hashtags; `hashtags=False` leaves them out."""

    def __init__(self, count, hashtags=True):
        self.count = count
        self.hashtags = hashtags

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index >= self.count:
            raise IndexError(index)
        tags = [*WORDS[index % 8 :], *WORDS[: index % 8]][: 2 + index % 6]
        clip = {"frames": None, "retriever_frames": None, "input_features": None}
        description = DESCRIPTIONS[index % len(DESCRIPTIONS)]
        return {
            **clip,
            "index": index,
            "description": description,
            "hashtags": tags if self.hashtags else [],
            "guidance": WORDS,
        }


def make_parts():
    """A generator without dropout, its processor, and the retriever's."""
    torch.manual_seed(0)
    config = ScratchConfig(**SCRATCH)
    processor, retriever_processor = config.processors(DESCRIPTIONS, WORDS, max_text_length=64)
    model = GGMForHashtagGeneration(config.generator_config(processor.tokenizer, fusion_dropout=0.0))
    model.use_published_decoding(max_length=16)
    return model, processor, retriever_processor


def plain_trainer(output_dir, model, collator, rows, trainer_class=Seq2SeqTrainer, **arguments):
    """A trainer on some rows, as a user of transformers writes it."""
    settings = {
        "learning_rate": 1.0, "lr_scheduler_type": "constant", "optim": "sgd", "max_grad_norm": 0.0,
        "logging_steps": 1, "per_device_train_batch_size": 4, "per_device_eval_batch_size": 4, "save_strategy": "no",
        "num_train_epochs": 1, "remove_unused_columns": False, "report_to": "none", "use_cpu": True,
        "disable_tqdm": True, "dataloader_pin_memory": False,
    }  # fmt: skip
    return trainer_class(
        model,
        Seq2SeqTrainingArguments(output_dir=output_dir, **{**settings, **arguments}),
        train_dataset=rows,
        eval_dataset=rows,
        data_collator=collator,
    )
