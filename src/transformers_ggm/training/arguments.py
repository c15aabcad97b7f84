"""Arguments of `train.py`, one dataclass per subject."""

from dataclasses import dataclass, field

from transformers.utils import is_peft_available

from ..errors import ArgumentError
from ..modeling.configuration_ggm import FUSIONS
from ..modeling.configuration_hashtag_classifier import OBJECTIVES
from ..modeling.configuration_hashtag_retriever import QUERIES
from ..modeling.lora import DEFAULT_PARTS, FUSION_TRAININGS, PARTS, check_parts
from ..modeling.peft_versions import peft_mismatch
from ..processing.modalities import INPUTS, PUBLISHED_INPUTS, TEXTS, check_inputs
from ..processing.row_text import TextShares
from .check_arguments import check_numbers, check_together, check_values, explained, given_arguments
from .training_arguments import NEGATIVES, GGMTrainingArguments, check_contrastive
from .weights import WEIGHTS_DTYPES

STAGES = ("prepare", "retriever", "pool", "guidance", "generator", "evaluate")
# Stages that run only where `--stages` names them, or `--sources` has more than the pool.
EXTRA_STAGES = ("classifier", "posts", "ranker")
GENERATORS = ("ggm", "instructed")
MODALITIES = ("text", "video")


@dataclass
class ModelArguments:
    """Which backbones to start from, and how they are joined."""

    generator: str = field(
        default="ggm",
        metadata={
            "help": "'ggm' as published, or 'instructed': a language model that is prompted, see language_model."
        },
    )
    language_model: str | None = field(
        default=None,
        metadata={
            "help": "Language model of generator 'instructed', with or without eyes, such as SmolLM2, Qwen3-VL or "
            "SmolVLM2: a folder or Hub id."
        },
    )
    vision: str = field(
        default="google/vit-base-patch16-224-in21k", metadata={"help": "Image backbone: a folder or Hub id."}
    )
    text: str = field(
        default="facebook/bart-base",
        metadata={"help": "Encoder-decoder, such as BART, mBART, T5 or mT5: a folder or Hub id."},
    )
    audio: str | None = field(
        default="laion/clap-htsat-unfused",
        metadata={"help": "Audio backbone: a folder or Hub id; 'none' for a model without sound."},
    )
    retriever: str = field(
        default="openai/clip-vit-base-patch32", metadata={"help": "Dual encoder to start the retriever from."}
    )
    scratch_config: str | None = field(
        default=None,
        metadata={
            "help": "JSON file that describes small backbones to train from random weights (see examples/configs); "
            "takes the place of the four backbones above."
        },
    )
    inputs: list[str] = field(
        default_factory=lambda: list(PUBLISHED_INPUTS),
        metadata={
            "help": f"What the generator reads beside the guidance: some of {', '.join(INPUTS)}. Without audio it has "
            "no audio backbone; without video it is its text backbone; without text descriptions are withheld; "
            "transcript and screen_text are what is said and written in the clips, where the data have these columns."
        },
    )
    vision_from_retriever: bool = field(
        default=False, metadata={"help": "Start the vision encoder from the trained retriever's vision tower."}
    )
    freeze_vision: bool = field(default=False, metadata={"help": "Keep the vision encoder's weights as they are."})
    frame_position_embedding: str = field(
        default="none", metadata={"help": "'none' as published, or 'learned': lets the model know the frames' order."}
    )
    patch_pooling: int = field(
        default=1,
        metadata={"help": "1 as published, or k: the text attends to the means of k x k patches of a frame."},
    )
    fusion: str = field(
        default="grounding",
        metadata={
            "help": "'grounding' as published, or 'decoder': the decoder attends to the text and to all frames itself."
        },
    )
    pointer_head: bool = field(
        default=False,
        metadata={"help": "Let the generator copy tokens of description and guidance (pointer-generator network)."},
    )
    text_position_embedding: str = field(
        default="absolute",
        metadata={"help": "'absolute' as published, or 'relative_1' to 'relative_4': relative positions of the text."},
    )
    position_biased_input: bool = field(
        default=True, metadata={"help": "Add absolute positions too, where there are relative ones."}
    )
    restart_positions: bool = field(
        default=False, metadata={"help": "Let relative positions start anew in each hashtag of the guidance."}
    )
    fusion_num_attention_heads: int = field(default=8, metadata={"help": "Heads of the cross-modal attentions."})
    fusion_dropout: float = field(default=0.1, metadata={"help": "Dropout of the cross-modal attentions."})
    num_guidance: int = field(default=50, metadata={"help": "Hashtags retrieved as guidance; 0 for none."})
    max_text_length: int = field(default=512, metadata={"help": "Tokens of texts and guidance together."})
    guidance_share: float = field(
        default=0.5,
        metadata={"help": "Share of these tokens that the guidance has at least; the description the rest."},
    )
    transcript_share: float = field(
        default=0.2, metadata={"help": "That of the transcript, where it is among the inputs."}
    )
    screen_text_share: float = field(
        default=0.1, metadata={"help": "That of the screen text, where it is among the inputs."}
    )
    max_target_length: int = field(default=32, metadata={"help": "Tokens of the hashtags (the paper: 32, or 64)."})

    def __post_init__(self):
        if self.audio is not None and self.audio.lower() in ("none", ""):
            self.audio = None
        if self.generator not in GENERATORS:
            raise ArgumentError(f"`generator` is {self.generator!r}; choose from {GENERATORS}.")
        if self.is_instructed:
            self._check_instructed()
        elif self.language_model is not None:
            raise ArgumentError("`language_model` is for --generator instructed: give that too, or leave it out.")
        check_inputs(self.inputs)
        if "audio" not in self.inputs:
            self.audio = None
        if self.patch_pooling < 1:
            raise ArgumentError(
                f"`patch_pooling` is {self.patch_pooling}, but 1 is the least: every patch for itself."
            )
        if self.fusion not in FUSIONS:
            raise ArgumentError(f"`fusion` is {self.fusion!r}; choose from {FUSIONS}.")
        TextShares(**self.text_shares)

    @property
    def is_instructed(self) -> bool:
        """Whether a language model is the generator."""
        return self.generator == "instructed"

    def _check_instructed(self) -> None:
        if self.scratch_config is not None or self.vision_from_retriever:
            raise ArgumentError(
                "`scratch_config` and `vision_from_retriever` are for a GGM, not for a language model."
            )
        # What is spoken reaches a language model as words.
        self.inputs = [name for name in self.inputs if name != "audio"]

    @property
    def text_shares(self) -> dict[str, float]:
        """The room of each text, 0 for one that is not among the inputs, and of the guidance."""
        shares = {"transcript": self.transcript_share, "screen_text": self.screen_text_share}
        read = {name: share if name in self.inputs else 0.0 for name, share in shares.items()}
        return {**read, "guidance": self.guidance_share}


@dataclass
class DataArguments:
    """The shorts, and what training does to them."""

    data_dir: str = field(
        metadata={
            "help": "Folder with train/, validation/ and test/, a metadata.jsonl in each; or a set that "
            "`ggm prepare` wrote."
        }
    )
    unseen_hashtags_in_pool: bool = field(
        default=False,
        metadata={"help": "Put the hashtags that a prepared corpus keeps away from training into the pool too."},
    )
    row_texts: list[str] = field(
        default_factory=list,
        metadata={
            "help": f"Of {', '.join(TEXTS[1:])} those for whose sake a row without a clip is kept, beside the "
            "description and what generator and retriever read."
        },
    )
    decoding_workers: int = field(default=2, metadata={"help": "Processes that decode clips."})
    on_error: str = field(
        default="raise", metadata={"help": "What to do with a clip that cannot be read: 'raise', or 'skip' and list."}
    )
    blank_video: bool = field(
        default=False,
        metadata={"help": "Read files without a picture for their sound, and show one black frame with it."},
    )
    target_order: str = field(
        default="shuffled",
        metadata={
            "help": "Order in which a clip's hashtags are taught: 'shuffled' anew in every epoch, as published; or "
            "'guidance', those that the guidance shows first, in its order."
        },
    )
    guidance_dropout: float = field(
        default=1 / 3, metadata={"help": "Share of true hashtags that are taken out of the training guidance."}
    )
    frame_dropout: float = field(default=0.0, metadata={"help": "Share of training clips shown as one black frame."})
    audio_dropout: float = field(default=0.0, metadata={"help": "Share of training clips without their sound."})
    description_dropout: float = field(default=0.0, metadata={"help": "Share of training clips without their words."})

    def __post_init__(self):
        if not set(self.row_texts) <= set(TEXTS[1:]):
            raise ArgumentError(f"`row_texts` is {self.row_texts}; choose from {TEXTS[1:]}.")


@dataclass
class RetrieverArguments:
    """Training of the retriever. What is not named here (seed, devices, precision, ...) is the generator's."""

    retriever_query: str = field(
        default="video",
        metadata={
            "help": "What hashtags are sought by: 'video' as published, 'text' (the description), or 'video+text'."
        },
    )
    retriever_texts: list[str] = field(
        default_factory=lambda: list(TEXTS[:1]),
        metadata={"help": f"The texts that a query with text is made of: some of {', '.join(TEXTS)}."},
    )
    retriever_learning_rate: float = field(default=1e-5, metadata={"help": "Peak learning rate of AdamW."})
    retriever_num_train_epochs: float = field(default=10.0, metadata={"help": "Epochs."})
    retriever_per_device_train_batch_size: int = field(default=64, metadata={"help": "Pairs per process."})
    retriever_warmup_steps: int = field(default=20, metadata={"help": "Steps of linear warm-up."})
    retriever_weight_decay: float = field(default=0.01, metadata={"help": "AdamW's weight decay."})
    retriever_frames_per_clip: int = field(
        default=0, metadata={"help": "Frames drawn from a clip at every training step; 0 takes all."}
    )
    retriever_rare_hashtag_power: float = field(
        default=0.0,
        metadata={"help": "A clip's hashtag is drawn with weight count**-power: 0 is uniform, 1 favours rare ones."},
    )
    retriever_max_inverse_temperature: float = field(
        default=100.0, metadata={"help": "The learned inverse temperature of the loss is never larger."}
    )
    retriever_decoupled_loss: bool = field(
        default=False, metadata={"help": "Leave the positive out of the loss's denominator."}
    )
    retriever_propensity_power: float = field(
        default=0.0, metadata={"help": "A pair counts its hashtag's uses to the power of minus this."}
    )
    retriever_false_negative_power: float = field(
        default=0.0, metadata={"help": "How fast negatives count less that lie near a true hashtag."}
    )
    retriever_negatives: str = field(
        default="batch",
        metadata={"help": f"Negatives beside those of the batch: {', '.join(NEGATIVES)}; 'batch' has none."},
    )
    retriever_num_negatives: int = field(default=1, metadata={"help": "So many of them for each pair."})
    retriever_negative_margin: float | None = field(
        default=None, metadata={"help": "Leave out those nearer than the positive's cosine less this."}
    )
    retriever_matryoshka_dims: list[int] | None = field(
        default=None, metadata={"help": "Numbers of a vector that are to be a vector of their own."}
    )
    retriever_whitening_power: float | None = field(
        default=None, metadata={"help": "Whiten the trained space with this power, from 0 (centre it) to 1."}
    )

    def __post_init__(self):
        check_numbers(self)
        if self.retriever_query not in QUERIES:
            raise ArgumentError(f"`retriever_query` is {self.retriever_query!r}; choose from {QUERIES}.")
        if not self.retriever_texts or not set(self.retriever_texts) <= set(TEXTS):
            raise ArgumentError(f"`retriever_texts` is {self.retriever_texts}; choose one or more of {TEXTS}.")
        check_contrastive(self, prefix="retriever_")


@dataclass
class ClassifierArguments:
    """
    Training of a classifier over the training hashtags. What is not named here (seed, devices, precision, ...) is the
    generator's; of the model, `vision`, `vision_from_retriever`, `freeze_vision` and `scratch_config` hold for it too.
    """

    classifier_modalities: list[str] = field(
        default_factory=lambda: list(MODALITIES),
        metadata={"help": "What the classifier reads: 'text' (BERT), 'video' (ViT), or 'text video' (ViT-BERT)."},
    )
    classifier_objective: str = field(
        default="softmax",
        metadata={"help": "'softmax' as published (targets of 1/k), or 'sigmoid': every hashtag for itself."},
    )
    classifier_text: str = field(
        default="google-bert/bert-base-uncased", metadata={"help": "Text encoder: a folder or Hub id."}
    )
    classifier_dropout: float = field(default=0.1, metadata={"help": "Dropout on the backbones' vectors."})
    classifier_learning_rate: float = field(default=5e-5, metadata={"help": "Peak learning rate of AdamW."})
    classifier_num_train_epochs: float = field(default=30.0, metadata={"help": "Epochs."})
    classifier_per_device_train_batch_size: int = field(default=32, metadata={"help": "Rows per process."})
    classifier_warmup_steps: int = field(default=20, metadata={"help": "Steps of linear warm-up."})

    def __post_init__(self):
        check_numbers(self)
        unknown = sorted(set(self.classifier_modalities) - set(MODALITIES))
        if unknown or not self.classifier_modalities:
            raise ArgumentError(
                f"`classifier_modalities` is {self.classifier_modalities}; choose 'text', 'video', or 'text video'."
            )
        if self.classifier_objective not in OBJECTIVES:
            raise ArgumentError(f"`classifier_objective` is {self.classifier_objective!r}; choose from {OBJECTIVES}.")


@dataclass
class LoraArguments:
    """Training of a low-rank adapter instead of the whole generator."""

    use_lora: bool = field(
        default=False, metadata={"help": "Train an adapter (LoRA) instead of the generator; needs peft."}
    )
    base_checkpoint: str | None = field(
        default=None,
        metadata={
            "help": "Checkpoint to begin with: a folder or Hub id. With use_lora a trained GGM to adapt, whose shape, "
            "processor and retriever hold (without it, the pretrained backbones are put together and saved once, in "
            "the output folder's base/). Else one that recommends, such as `ggm compose` makes: a ranker is fitted, "
            "and by `--stages retriever ranker evaluate` its retriever is trained on, by `--stages generator` all of "
            "its generator."
        },
    )
    lora_adapter: str | None = field(
        default=None,
        metadata={"help": "Adapter to go on training: a folder or Hub id. Its base, rank and layers hold."},
    )
    keep_retriever: bool = field(
        default=False, metadata={"help": "Take the retriever of the base checkpoint as it is, without training it on."}
    )
    lora_parts: list[str] = field(
        default_factory=lambda: list(DEFAULT_PARTS), metadata={"help": f"Parts to adapt: some of {', '.join(PARTS)}."}
    )
    lora_target_modules: str | None = field(
        default=None,
        metadata={"help": "Regular expression of whole layer names to adapt; takes the place of lora_parts."},
    )
    lora_r: int = field(default=8, metadata={"help": "Rank of the updates."})
    lora_alpha: float = field(default=16, metadata={"help": "Updates are scaled by lora_alpha / lora_r."})
    lora_dropout: float = field(default=0.05, metadata={"help": "Dropout on the input of the updates."})
    lora_fusion: str = field(
        default="auto",
        metadata={
            "help": "'full' trains the layers that join the backbones and saves them with the adapter; 'lora' updates "
            "them like the parts; 'auto' does the first where they are new, the second with a base_checkpoint."
        },
    )

    def __post_init__(self):
        check_parts(self.lora_parts)
        if self.lora_fusion not in ("auto", *FUSION_TRAININGS):
            raise ArgumentError(f"`lora_fusion` is {self.lora_fusion!r}; choose from {('auto', *FUSION_TRAININGS)}.")
        if self.lora_r < 1:
            raise ArgumentError(f"`lora_r` is {self.lora_r}, but an update has rank 1 at least.")
        if self.base_checkpoint is not None and self.lora_adapter is not None:
            raise ArgumentError("`lora_adapter` names its base itself: leave `base_checkpoint` out.")
        if self.keep_retriever and not self.starts_from_trained:
            raise ArgumentError("`keep_retriever` needs a `base_checkpoint` or `lora_adapter` to take it from.")
        if self.use_lora and not is_peft_available():
            raise ImportError("`use_lora` needs peft: pip install 'transformers-ggm[lora]'.")
        if self.use_lora and (mismatch := peft_mismatch()):
            raise ArgumentError(f"`use_lora`: {mismatch}")
        if self.lora_adapter is not None and not self.use_lora:
            raise ArgumentError("`lora_adapter` is for adapters: give --use_lora true too.")

    @property
    def starts_from_trained(self) -> bool:
        """Whether there is a trained generator to adapt, rather than pretrained backbones."""
        return self.base_checkpoint is not None or self.lora_adapter is not None

    @property
    def fusion_training(self) -> str:
        """How the fusion is trained: `"full"` or `"lora"`."""
        if self.lora_fusion != "auto":
            return self.lora_fusion
        return "lora" if self.starts_from_trained else "full"


def unreached(model: ModelArguments) -> list[str]:
    """Which of `"video"` and `"audio"` the generator is not given; it hears through what it sees."""
    sees, hears = "video" in model.inputs, "audio" in model.inputs and model.audio is not None
    return [name for name, is_given in (("video", sees), ("audio", sees and hears)) if not is_given]


def check_lora(lora: LoraArguments, model: ModelArguments) -> None:
    """
    Raises:
        ValueError: the arguments of the model and those of LoRA do not go together.
    """
    if model.is_instructed and model.language_model is None and not lora.starts_from_trained:
        raise ValueError("`language_model` is missing, which --generator instructed starts from: a folder or Hub id.")
    if not lora.use_lora or model.is_instructed:
        return
    if model.scratch_config is not None:
        raise ValueError(
            "`scratch_config` starts from random weights, which LoRA cannot make up for: train that model whole, then "
            "give its checkpoint as `base_checkpoint`."
        )
    if lora.starts_from_trained and model.vision_from_retriever:
        raise ValueError("`vision_from_retriever` changes the vision encoder, but that of a trained base stays.")
    if lora.lora_adapter is not None or lora.lora_target_modules is not None:
        return
    if "vision" in lora.lora_parts and model.freeze_vision:
        raise ValueError("`freeze_vision` keeps the vision encoder, but `lora_parts` adapts it: leave one out.")
    for part, name in (("vision", "video"), ("audio", "audio")):
        if part in lora.lora_parts and name in unreached(model):
            raise ValueError(f"`lora_parts` adapts the {part} encoder, but the generator is given no {name}.")


@dataclass
class StageArguments:
    """Which stages run."""

    stages: list[str] | None = field(
        default=None,
        metadata={
            "help": f"Some of {', '.join(STAGES + EXTRA_STAGES)}; by default {', '.join(STAGES)}, and with more "
            "sources than the pool those that they need."
        },
    )
    overwrite_stages: list[str] = field(
        default_factory=list, metadata={"help": "Stages to run again although their output is there."}
    )
    num_best_checkpoints: int = field(
        default=3, metadata={"help": "Best checkpoints kept; final metrics are means over them (the paper: 3)."}
    )

    weights_dtype: str = field(
        default="float32",
        metadata={"help": f"Type that the finished weights are stored in: {', '.join(WEIGHTS_DTYPES)}."},
    )

    def __post_init__(self):
        if self.weights_dtype not in WEIGHTS_DTYPES:
            raise ArgumentError(f"`weights_dtype` is {self.weights_dtype!r}; choose from {WEIGHTS_DTYPES}.")
        for name in ("stages", "overwrite_stages"):
            unknown = sorted(set(getattr(self, name) or ()) - set(STAGES + EXTRA_STAGES))
            if unknown:
                raise ArgumentError(
                    f"`{name}` has unknown stages {unknown}; choose from {list(STAGES + EXTRA_STAGES)}."
                )
        if self.num_best_checkpoints < 1:
            raise ArgumentError(f"`num_best_checkpoints` is {self.num_best_checkpoints}, but one is needed at least.")


@dataclass
class GeneratorArguments(GGMTrainingArguments):
    """
    Training of the generator, and what all trainings share: [`GGMTrainingArguments`] that always validate and save, so
    that there are best checkpoints.

    Attributes:
        given (`list[str]`): names of the arguments that have another value than their default.

    Raises:
        ArgumentError: an argument cannot be used; see `check_arguments.py`.
    """

    eval_strategy: str = field(default="epoch", metadata={"help": "When to evaluate: 'epoch' or 'steps'."})
    save_strategy: str = field(
        default="epoch", metadata={"help": "When to save: as eval_strategy, or 'best', when the metric has risen."}
    )
    ddp_timeout: int = field(default=36_000, metadata={"help": "Seconds that processes wait for the one that writes."})

    def __post_init__(self):
        self.given = given_arguments(self)
        check_values(self)
        try:
            super().__post_init__()
        except (ValueError, TypeError, OSError, ImportError) as error:
            raise explained(self.given, error) from error
        check_together(self)


def set_scheduler_mode(arguments: GeneratorArguments) -> None:
    """Lets schedules that follow the validation metric know whether more of it is better, which they do not ask."""
    if arguments.lr_scheduler_type in ("reduce_lr_on_plateau", "greedy"):
        mode = "max" if arguments.greater_is_better else "min"
        arguments.lr_scheduler_kwargs = {**(arguments.lr_scheduler_kwargs or {}), "mode": mode}
