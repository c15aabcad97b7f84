"""transformers' tests of all models, on ours."""

import unittest

import torch
from testers import ClassifierTester, GGMTester, RetrieverTester
from transformers_tests import load

from transformers_ggm import GGMForHashtagClassification, GGMForHashtagGeneration, GGMModel, HashtagRetriever

ModelTesterMixin = load("test_modeling_common").ModelTesterMixin


class GGMTests(ModelTesterMixin):
    all_model_classes = (GGMModel, GGMForHashtagGeneration)
    is_encoder_decoder = True
    _is_composite = True
    backbones = {}

    def setUp(self):
        self.model_tester = GGMTester(self, **self.backbones)


class ViTBartASTTest(GGMTests, unittest.TestCase):
    backbones = {"vision": "vit", "text": "bart", "audio": "ast"}


class SiglipMBartClapTest(GGMTests, unittest.TestCase):
    backbones = {"vision": "siglip", "text": "mbart", "audio": "clap"}


class T5GemmaTest(GGMTests, unittest.TestCase):
    backbones = {"text": "t5gemma"}


class DecoderFusionTest(GGMTests, unittest.TestCase):
    backbones = {"vision": "vit", "text": "bart", "audio": "ast", "fusion": "decoder"}


class PointerHeadTest(GGMTests, unittest.TestCase):
    backbones = {"vision": "vit", "text": "bart", "audio": "ast", "pointer_head": True}


class RetrieverTests(ModelTesterMixin):
    all_model_classes = (HashtagRetriever,)
    _is_composite = True
    # As CLIP's, its states and attentions stand in the outputs of its towers.
    has_attentions = False
    skip_test_video_features_output_shape = True
    query = "video"

    def setUp(self):
        self.model_tester = RetrieverTester(self, self.query)


class VideoRetrieverTest(RetrieverTests, unittest.TestCase):
    query = "video"


class VideoTextRetrieverTest(RetrieverTests, unittest.TestCase):
    query = "video+text"


class ClassifierTest(ModelTesterMixin, unittest.TestCase):
    all_model_classes = (GGMForHashtagClassification,)
    _is_composite = True

    def setUp(self):
        self.model_tester = ClassifierTester(self)

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        inputs = super()._prepare_for_class(inputs_dict, model_class)
        if return_labels:
            inputs["labels"] = torch.tensor([[1, 0, 1]] * self.model_tester.batch_size)
        return inputs
