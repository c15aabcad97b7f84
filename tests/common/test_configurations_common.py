"""transformers' tests of all configurations, on ours."""

import unittest

from testers import ClassifierTester, GGMTester, RetrieverTester
from transformers_tests import load

from transformers_ggm import GGMConfig, HashtagClassifierConfig, HashtagRetrieverConfig

ConfigTester = load("test_configuration_common").ConfigTester


class ConfigurationTest(unittest.TestCase):
    def run_common_tests(self, config_class, tester, **arguments):
        self.model_tester = tester
        ConfigTester(self, config_class, has_text_modality=False, **arguments).run_common_tests()

    def test_ggm(self):
        tester = GGMTester(self)
        self.run_common_tests(GGMConfig, tester, fusion="decoder", fusion_dropout=0.3, max_frames=7)

    def test_retriever(self):
        self.run_common_tests(
            HashtagRetrieverConfig, RetrieverTester(self), query="text", max_inverse_temperature=50.0
        )

    def test_classifier(self):
        self.run_common_tests(HashtagClassifierConfig, ClassifierTester(self), objective="sigmoid", dropout=0.3)
