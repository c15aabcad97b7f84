"""Arguments of the tasks that the text itself gives."""

from dataclasses import dataclass, field

from ..errors import ArgumentError
from .check_arguments import check_weights

AUTOMATED_TASKS = ("missing_word", "next_word", "next_character")


@dataclass
class AutomatedTaskArguments:
    """What the tasks that the text itself gives add to the generator's loss."""

    automated_tasks: list[str] = field(
        default_factory=list,
        metadata={"help": f"Tasks of the text that are learned beside the hashtags: some of {AUTOMATED_TASKS}."},
    )
    automated_task_weight: float = field(default=0.3, metadata={"help": "Weight of the sum of their losses."})

    def __post_init__(self):
        unknown = sorted(set(self.automated_tasks) - set(AUTOMATED_TASKS))
        if unknown or len(set(self.automated_tasks)) < len(self.automated_tasks):
            raise ArgumentError(
                f"`automated_tasks` is {self.automated_tasks}; choose some of {AUTOMATED_TASKS}, each once."
            )
        check_weights(self, ("automated_task_weight",))
