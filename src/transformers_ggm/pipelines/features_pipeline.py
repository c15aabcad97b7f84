"""What a ranker would know of the candidates of items, to fit one."""

from typing import Any

from ..errors import CheckpointError
from ..recommendation import CandidateFeatures, HashtagRanker, HashtagRankerConfig, feature_names
from .hashtag_generation import HashtagGenerationPipeline


class CandidateFeaturesPipeline(HashtagGenerationPipeline):
    """
    Gives of each item, in the place of hashtags, the features of all its candidates ([`CandidateFeatures`] of one
    row), as the ranker of a [`HashtagGenerationPipeline`] of the same checkpoint is given them: a ranker that is
    fitted on them sees later what it learned from. An item that is left out by `on_error="skip"` has `[]`.

    Args:
        args, kwargs: As of [`HashtagGenerationPipeline`].

    Raises:
        CheckpointError: There is no recommender.

    Example:

    ```python
    >>> from transformers import pipeline
    >>> from transformers_ggm.pipelines.features_pipeline import CandidateFeaturesPipeline

    >>> features_of = pipeline(
    ...     "hashtag-generation", model="starter", pipeline_class=CandidateFeaturesPipeline
    ... )  # doctest: +SKIP
    >>> features_of({"description": "first snow"}).hashtags  # doctest: +SKIP
    [['firstsnow', 'snow', 'snowfall']]

    ```
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.recommender is None:
            raise CheckpointError("this checkpoint has no recommendation.json: a ranker has nothing to rank.")
        if self.recommender.ranker is None:
            # Any ranker has all sources asked, and features made of their candidates.
            names = feature_names(self.recommender.sources, self.recommender.plausibility)
            config = HashtagRankerConfig(features=names)
            self.recommender.ranker = HashtagRanker(config).eval()

    def postprocess(self, model_outputs: dict[str, Any], **options: Any) -> CandidateFeatures:
        return model_outputs["features"]
