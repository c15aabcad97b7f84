"""How clips are decoded where nothing hears them, and the processor of a checkpoint without generator."""

from transformers.processing_utils import ProcessorMixin

from .media import DEFAULT_LIMITS, Media, MediaLimits
from .video_processing_ggm import GGMVideoProcessor


class SilentClipsMixin:
    """
    Of a processor that gives clips to what sees them, and to nothing that hears.

    Attributes:
        video_processor ([`GGMVideoProcessor`]): of the class that this is mixed into.
        feature_extractor (`None`), sampling_rate (`None`), max_audio_seconds (`float`): nothing hears the sound.
    """

    feature_extractor = None
    sampling_rate = None
    max_audio_seconds = 0.0

    def decode_media(
        self, source, limits: MediaLimits = DEFAULT_LIMITS, blank_video: bool = False, resize: bool = False
    ) -> Media:
        """Reads a clip once, at this processor's frame rule, without its sound.

        Args:
            source: Path, URL, bytes or binary file object.
            limits ([`MediaLimits`], defaults to `MediaLimits()`): What the clip may be at most.
            blank_video (`bool`, defaults to `False`): Whether a file without a picture is taken.
            resize (`bool`, defaults to `False`): Whether frames come in the size that is seen, see
                [`GGMVideoProcessor.decode`].

        Raises:
            `MediaError`: The clip cannot be read.
        """
        return self.video_processor.decode(source, limits=limits, blank_video=blank_video, resize=resize)


class ClipProcessor(SilentClipsMixin, ProcessorMixin):
    """
    A [`GGMVideoProcessor`] alone: for a checkpoint that retrieves hashtags and writes none, whose clips are decoded
    once for its retriever and its readers of speech and screen.

    Args:
        video_processor ([`GGMVideoProcessor`]): Frame rule and frame size.

    Attributes:
        num_guidance (`int`): 0, since nothing is guided.

    Example:

    ```python
    >>> from transformers_ggm import GGMVideoProcessor
    >>> from transformers_ggm.processing import ClipProcessor

    >>> processor = ClipProcessor(GGMVideoProcessor(num_frames=4))
    >>> processor.video_processor.num_frames, processor.num_guidance
    (4, 0)

    ```
    """

    num_guidance = 0

    def __init__(self, video_processor=None):
        super().__init__(video_processor)

    @classmethod
    def _get_arguments_from_pretrained(cls, pretrained_model_name_or_path, processor_dict=None, **kwargs):
        # The base class asks AutoVideoProcessor, which knows our class only after registration.
        return [GGMVideoProcessor.from_pretrained(pretrained_model_name_or_path, **kwargs)]
