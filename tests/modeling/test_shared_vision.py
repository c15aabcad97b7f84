"""One vision tower for the retriever and the generator: what the retriever saw, the generator need not see again."""

import pytest
import torch
from modeling_samples import TEXT_CONFIGS, VISION_CONFIGS, VOCAB_SIZE, clip_config, randomize, siglip_config
from transformers import BertConfig, ResNetConfig, VisionTextDualEncoderConfig

from transformers_ggm import GGMConfig, GGMForHashtagGeneration, HashtagRetriever, HashtagRetrieverConfig
from transformers_ggm.errors import InputError
from transformers_ggm.modeling.backbones import tower_of


def dual_encoder_config(vision):
    text = BertConfig(
        vocab_size=VOCAB_SIZE, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=12,
    )  # fmt: skip
    return VisionTextDualEncoderConfig(vision_config=vision.to_dict(), text_config=text.to_dict(), projection_dim=8)


RESNET = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", hidden_size=16)
BACKBONES = {
    "clip": clip_config,
    "siglip": siglip_config,
    "vit and bert": lambda: dual_encoder_config(VISION_CONFIGS["vit"]),
    "resnet and bert": lambda: dual_encoder_config(RESNET),
}


@pytest.fixture(params=BACKBONES)
def pair(request):
    """A retriever and a generator that sees with the retriever's vision tower."""
    torch.manual_seed(0)
    retriever = HashtagRetriever(HashtagRetrieverConfig(BACKBONES[request.param]())).eval()
    randomize(retriever, 0.3)
    tower = tower_of(retriever, "vision")
    config = GGMConfig(
        tower.config, TEXT_CONFIGS["bart"], fusion_num_attention_heads=2, fusion_init="normal",
        frame_position_embedding="learned", vision_source="retriever",
    )  # fmt: skip
    model = GGMForHashtagGeneration(config).eval()
    own = model.get_encoder("video")
    own.load_state_dict({name: tensor for name, tensor in tower.state_dict().items() if name in own.state_dict()})
    return retriever, model


@torch.inference_mode()
def test_states_of_the_retriever_take_the_place_of_frames(pair):
    """Would fail if the generator read other states than those its own vision encoder makes, or lost the mask."""
    retriever, model = pair
    frames = torch.randn(2, 3, 3, 16, 16)
    mask = torch.tensor([[1, 1, 1], [1, 0, 0]])
    words = {
        "input_ids": torch.tensor([[0, 5, 6, 2], [0, 7, 2, 1]]),
        "attention_mask": torch.tensor([[1] * 4, [1, 1, 1, 0]]),
    }
    seen = retriever.get_video_features(frames, mask)
    assert seen.last_hidden_state.shape[:2] == (2, 3)
    query = retriever.get_query_features(frames, mask).pooler_output
    torch.testing.assert_close(seen.pooler_output, query, rtol=0, atol=0)
    shared = model.get_encoder()(**words, video_states=seen.last_hidden_state, frame_mask=mask).last_hidden_state
    own = model.get_encoder()(**words, pixel_values_videos=frames, frame_mask=mask).last_hidden_state
    torch.testing.assert_close(shared, own, rtol=0, atol=1e-6)
    blind = model.get_encoder()(**words).last_hidden_state
    assert (shared - blind).abs().max() > 1e-3


@torch.inference_mode()
def test_generation_from_states(pair):
    """Would fail if `generate` did not hand the states on to the encoder, or repeated them for every beam."""
    retriever, model = pair
    frames = torch.randn(2, 3, 3, 16, 16)
    words = {"input_ids": torch.tensor([[0, 5, 6, 2], [0, 7, 8, 2]]), "num_beams": 3, "max_new_tokens": 6}
    states = retriever.get_video_features(frames).last_hidden_state
    own = model.generate(**words, pixel_values_videos=frames)
    assert torch.equal(model.generate(**words, video_states=states), own)


def test_query_of_a_video_that_was_encoded(pair):
    """Would fail if the vectors were ignored, or the vision tower ran a second time."""
    retriever, _ = pair
    vectors = retriever.get_video_features(torch.randn(2, 3, 3, 16, 16)).pooler_output
    assert torch.equal(retriever.get_query_features(video_embeds=vectors).pooler_output, vectors)
    retriever.config.query = "text"
    with pytest.raises(InputError):
        retriever.get_query_features(video_embeds=vectors)


def test_configuration(tmp_path):
    """Would fail if the choice were lost in saving, or a wrong one were found out later."""
    GGMConfig(vision_source="retriever").save_pretrained(tmp_path)
    assert GGMConfig.from_pretrained(tmp_path).vision_source == "retriever"
    assert GGMConfig().vision_source == "own"
    with pytest.raises(ValueError, match="vision_source"):
        GGMConfig(vision_source="both")
