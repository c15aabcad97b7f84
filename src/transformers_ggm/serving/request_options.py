"""What requests and answers hold. Every field is described in the OpenAPI page of a server by what stands here."""

from typing import Annotated, Any

from fastapi import UploadFile
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from ..pipelines.inputs import CLUES

_Text = Annotated[str, Field(max_length=100_000)]
_Hashtag = Annotated[str, Field(max_length=200)]
# What is asked of each answer, not of a batch.
_OF_EACH = ("top_n", "min_score", "explain", "return_removed")


class EarlierPostFields(BaseModel):
    """A post that the author made before."""

    model_config = ConfigDict(extra="forbid")

    hashtags: list[_Hashtag] = Field(max_length=100, description="With or without #.")
    time: AwareDatetime | None = Field(None, description="ISO 8601, with its zone.")


_History = Annotated[list[EarlierPostFields | list[_Hashtag] | _Hashtag], Field(max_length=200)]


class ClipFields(BaseModel):
    """What is known of a clip beside the clip."""

    model_config = ConfigDict(extra="forbid")

    description: _Text = Field("", description="The author's words. Hashtags in them are not used.")
    transcript: _Text | None = Field(None, description="What is said in the clip.")
    screen_text: _Text | None = Field(None, description="What is written in its picture.")
    history: _History | None = Field(
        None,
        description="The author's earlier posts, newest first: of each its hashtag, hashtags, or hashtags and time.",
    )
    time: AwareDatetime | None = Field(None, description="When it is posted: ISO 8601, with its zone.")
    language: str | None = Field(None, max_length=20, description="Such as en.")
    country: str | None = Field(None, max_length=20, description="Such as CA.")

    def item(self, video: Any = None) -> dict[str, Any]:
        """An item of the pipeline, with a clip or without one."""
        given = self.model_dump(include={"description", *CLUES}, exclude_none=True)
        return given if video is None else {"video": video, **given}


class SuggestionOptions(ClipFields):
    """What is known of a clip beside the clip, and what is asked of the answer."""

    top_n: int | None = Field(None, ge=1, le=1000, description="How many hashtags at most.")
    min_score: float | None = Field(None, ge=0, le=1, description="Only hashtags with this score or a better one.")
    platform: str | None = Field(
        None, max_length=20, description="tiktok, instagram, youtube, x, mastodon or linkedin: by its rules."
    )
    explain: bool = Field(False, description="Tell what each feature adds to a score. Needs a ranker.")
    return_removed: bool = Field(False, description="Tell what was left out, and why.")
    request_id: str | None = Field(None, max_length=200, description="Comes back with the answer.")

    def of_each(self) -> dict[str, Any]:
        """What is asked of this answer alone, as the pipeline's last step takes it."""
        return {name: value for name in _OF_EACH if (value := getattr(self, name)) is not None}


class HashtagRequest(SuggestionOptions):
    """A clip by its URL or path, or words alone."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"description": "first snow in toronto", "top_n": 3, "request_id": "r1"}]},
    )

    url: str | None = Field(None, max_length=2000, description="Of the clip, on a host that the server allows.")
    path: str | None = Field(None, max_length=2000, description="Of the clip, below the folder that the server reads.")


# Forms hold texts, and lists of them, but no lists of lists.
_WRITTEN_HISTORY = TypeAdapter(_History)


def _checked_history(text: str | None) -> str | None:
    if text is not None:
        _WRITTEN_HISTORY.validate_json(text)
    return text


class UploadForm(SuggestionOptions):
    """A clip, and the fields of [`SuggestionOptions`], in a form."""

    video: UploadFile = Field(description="The clip.")
    history: Annotated[str | None, AfterValidator(_checked_history)] = Field(  # type: ignore[assignment]
        None, max_length=100_000, description='As for a clip by its URL, written as JSON: ["#cats", ["#a", "#b"]].'
    )

    def item(self, video: Any = None) -> dict[str, Any]:
        given = super().item(video)
        if self.history is not None:
            history = _WRITTEN_HISTORY.validate_json(self.history)
            given["history"] = _WRITTEN_HISTORY.dump_python(history, exclude_none=True)
        return given


class HashtagAnswer(BaseModel):
    """A hashtag."""

    hashtag: str = Field(description="With #.")
    score: float = Field(description="How sure it is: a probability where the checkpoint has a ranker.")
    novel: bool | None = Field(None, description="Whether nobody is known to have used it.")
    guided: bool = Field(description="Whether the model saw it among what was retrieved.")
    sources: list[str] | None = Field(None, description="What proposed it.")
    explanation: dict[str, dict[str, float]] | None = Field(
        None, description="Of each feature its value and what it added to the logit."
    )


class RemovedAnswer(BaseModel):
    """A hashtag that was left out."""

    hashtag: str
    reason: str
    category: str | None = None
    because: str | None = None


class SuggestionAnswer(BaseModel):
    """Hashtags for a clip, the best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "request_id": "r1",
                    "hashtags": [{"hashtag": "#snowstorm", "score": 0.62, "novel": False, "guided": True}],
                }
            ]
        }
    )

    request_id: str | None = Field(None, description="Of the request.")
    hashtags: list[HashtagAnswer] = Field(description="The best first.")
    removed: list[RemovedAnswer] | None = Field(None, description="What was left out, where that is asked for.")


class FeedbackRequest(ClipFields):
    """What somebody made of suggestions."""

    accepted: list[_Hashtag] = Field(default=[], max_length=200, description="Hashtags that were used.")
    rejected: list[_Hashtag] | None = Field(
        None, max_length=200, description="Hashtags that were shown and refused; null where that is not known."
    )


class FeedbackAnswer(BaseModel):
    """What was kept."""

    hashtags: list[str] = Field(description="Those accepted, without #.")
    rejected: list[str] = Field(description="Those rejected, without #.")


class ErrorAnswer(BaseModel):
    """What is wrong with a request, or what went wrong with it."""

    error: str = Field(description="The kind, such as MediaError.")
    message: str = Field(description="What is wrong and what to do.")
    request_id: str | None = Field(None, description="Of the request, where it could be read.")


class StateAnswer(BaseModel):
    """How the server is."""

    status: str = Field(description="ok, or what it waits for.")
