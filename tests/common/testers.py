"""What transformers calls model testers: tiny configurations and inputs for its common tests."""

import copy

import torch
from modeling_samples import AUDIO_CONFIGS, AUDIO_SHAPES, READER_CONFIGS, TEXT_CONFIGS, VISION_CONFIGS, clip_config

from transformers_ggm import GGMConfig, HashtagClassifierConfig, HashtagRetrieverConfig

VOCAB_SIZE = TEXT_CONFIGS["bart"].vocab_size


class GGMTester:
    """
    Args:
        parent (`unittest.TestCase`): as transformers passes it.
        vision, text, audio (`str`): names of tiny backbones.
        config: further arguments of [`GGMConfig`].
    """

    is_training = True
    batch_size = 3
    seq_length = encoder_seq_length = decoder_seq_length = key_length = 7
    num_frames = 2
    hidden_size = 16
    num_hidden_layers = 2
    num_attention_heads = 2

    def __init__(self, parent, vision="vit", text="bart", audio="ast", **config):
        self.parent, self.vision, self.text, self.audio = parent, vision, text, audio
        self.settings = config

    def get_config(self) -> GGMConfig:
        return GGMConfig(
            vision_config=copy.deepcopy(VISION_CONFIGS[self.vision]),
            text_config=copy.deepcopy(TEXT_CONFIGS[self.text]),
            audio_config=copy.deepcopy(AUDIO_CONFIGS[self.audio]),
            fusion_num_attention_heads=4,
            fusion_init="normal",
            **self.settings,
        )

    def prepare_config_and_inputs_for_common(self):
        config = self.get_config()
        shape = (self.batch_size, self.seq_length)
        features = (self.batch_size, *AUDIO_SHAPES[self.audio])
        return config, {
            "input_ids": torch.randint(4, VOCAB_SIZE, shape),
            "attention_mask": torch.ones(shape, dtype=torch.int64),
            "decoder_input_ids": torch.randint(4, VOCAB_SIZE, shape),
            "decoder_attention_mask": torch.ones(shape, dtype=torch.int64),
            "pixel_values_videos": torch.rand(self.batch_size, self.num_frames, 3, 16, 16),
            "frame_mask": torch.ones(self.batch_size, self.num_frames, dtype=torch.int64),
            "input_features": torch.rand(features),
            "audio_mask": torch.ones(self.batch_size, dtype=torch.int64),
        }


class RetrieverTester:
    """
    Args:
        parent (`unittest.TestCase`): as transformers passes it.
        query (`str`): what hashtags are sought by.
    """

    is_training = True
    batch_size = 3
    seq_length = 7
    num_frames = 2

    def __init__(self, parent, query="video"):
        self.parent, self.query = parent, query
        self.backbone = clip_config()
        self.num_hidden_layers = self.backbone.text_config.num_hidden_layers
        self.hidden_size = self.backbone.text_config.hidden_size

    def get_config(self) -> HashtagRetrieverConfig:
        return HashtagRetrieverConfig(copy.deepcopy(self.backbone), query=self.query)

    def prepare_config_and_inputs_for_common(self):
        config = self.get_config()
        shape = (self.batch_size, self.seq_length)
        vocab_size, image_size = self.backbone.text_config.vocab_size, self.backbone.vision_config.image_size
        inputs = {
            "pixel_values_videos": torch.rand(self.batch_size, self.num_frames, 3, image_size, image_size),
            "input_ids": torch.randint(4, vocab_size, shape),
            "attention_mask": torch.ones(shape, dtype=torch.int64),
            "frame_mask": torch.ones(self.batch_size, self.num_frames, dtype=torch.int64),
            "return_loss": True,
        }
        if "text" in self.query:
            # Small ones, for a test that takes the last of the vocabulary away knows of `input_ids` alone.
            inputs["description_input_ids"] = torch.randint(4, vocab_size // 2, shape)
            inputs["description_attention_mask"] = torch.ones(shape, dtype=torch.int64)
        return config, inputs


class ClassifierTester:
    """
    Args:
        parent (`unittest.TestCase`): as transformers passes it.
    """

    is_training = True
    batch_size = 3
    seq_length = encoder_seq_length = key_length = 7
    num_frames = 2
    hidden_size = 16
    num_hidden_layers = 2
    num_attention_heads = 2
    num_hidden_states_types = 2  # those of the text encoder and of the vision encoder

    def __init__(self, parent):
        self.parent = parent

    def get_config(self) -> HashtagClassifierConfig:
        return HashtagClassifierConfig(
            vision_config=copy.deepcopy(VISION_CONFIGS["vit"]),
            text_config=copy.deepcopy(READER_CONFIGS["bert"]),
            id2label={0: "snow", 1: "cat", 2: "dog"},
        )

    def prepare_config_and_inputs_for_common(self):
        shape = (self.batch_size, self.seq_length)
        return self.get_config(), {
            "input_ids": torch.randint(4, VOCAB_SIZE, shape),
            "attention_mask": torch.ones(shape, dtype=torch.int64),
            "pixel_values_videos": torch.rand(self.batch_size, self.num_frames, 3, 16, 16),
            "frame_mask": torch.ones(self.batch_size, self.num_frames, dtype=torch.int64),
        }
