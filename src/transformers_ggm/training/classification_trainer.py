"""The trainer of classifiers over hashtags."""

from transformers import Trainer

from .classifier_ranking import NUM_RANKED, best_columns
from .shorts_trainer import ShortsTrainerMixin


class HashtagClassificationTrainer(ShortsTrainerMixin, Trainer):
    """`Trainer` for shorts that keeps the best of each row's logits alone: there may be many thousands."""

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        loss, logits, labels = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        if prediction_loss_only:
            return loss, None, None
        # Metrics need the hashtags that are no label too and take them from the rows; but Trainer wants some labels.
        return loss, best_columns(logits, self.model.config.objective, NUM_RANKED), labels.sum(dim=-1)
