"""transformers' tests of all processors and video processors, on ours."""

import unittest

from processing_samples import bart
from transformers_tests import load

from transformers_ggm import GGMProcessor, GGMVideoProcessor, HashtagRetrieverProcessor

ProcessorTesterMixin = load("test_processing_common").ProcessorTesterMixin
video_tests = load("test_video_processing_common")


class ProcessorTests(ProcessorTesterMixin):
    @classmethod
    def _setup_tokenizer(cls):
        return bart()

    @classmethod
    def _setup_video_processor(cls):
        return GGMVideoProcessor(size={"shortest_edge": 16})


class GGMProcessorTest(ProcessorTests, unittest.TestCase):
    processor_class = GGMProcessor


class RetrieverProcessorTest(ProcessorTests, unittest.TestCase):
    processor_class = HashtagRetrieverProcessor
    text_input_name = "description_input_ids"


class VideoProcessorTester:
    batch_size = 5
    num_frames = 8
    num_channels = 3
    min_resolution = 30
    max_resolution = 80

    def prepare_video_processor_dict(self):
        return {
            "size": {"shortest_edge": 20},
            "crop_size": {"height": 18, "width": 18},
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            **dict.fromkeys(("do_resize", "do_center_crop", "do_normalize", "do_convert_rgb"), True),
        }

    def expected_output_video_shape(self, videos):
        return self.num_frames, self.num_channels, 18, 18

    def prepare_video_inputs(self, equal_resolution=False, return_tensors="pil"):
        return video_tests.prepare_video_inputs(
            batch_size=self.batch_size,
            num_frames=self.num_frames,
            num_channels=self.num_channels,
            min_resolution=self.min_resolution,
            max_resolution=self.max_resolution,
            equal_resolution=equal_resolution,
            return_tensors=return_tensors,
        )


class VideoProcessorTest(video_tests.VideoProcessingTestMixin, unittest.TestCase):
    fast_video_processing_class = GGMVideoProcessor
    test_cast_dtype = True

    def setUp(self):
        super().setUp()
        self.video_processor_tester = VideoProcessorTester()

    @property
    def video_processor_dict(self):
        return self.video_processor_tester.prepare_video_processor_dict()
