"""What we rely on in huggingface_hub and accelerate that they do not document."""

import pytest
from accelerate import PartialState
from accelerate.utils import gather_object
from huggingface_hub.constants import DEFAULT_REVISION
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, HTTPError
from huggingface_hub.utils import validate_repo_id

pytestmark = pytest.mark.contract


def test_the_default_revision_is_the_main_branch():
    """Would fail if a model and its other parts were asked for at different revisions."""
    assert DEFAULT_REVISION == "main"


def test_errors_of_the_connection_are_those_of_the_client():
    """
    Would fail if a failed download came out as an error that we do not tell of: the name is that of the HTTP client of
    huggingface_hub, which has changed.
    """
    assert issubclass(HfHubHTTPError, HTTPError) and issubclass(HTTPError, Exception)
    assert issubclass(EntryNotFoundError, Exception)


@pytest.mark.parametrize("name", ["user//tags", "-tags", "a/b/c", "t a g s"])
def test_names_of_repositories_are_checked(name):
    """Would fail if a folder that does not exist were sought on the Hub."""
    with pytest.raises(HFValidationError):
        validate_repo_id(name)
    validate_repo_id("user/tags")


def test_one_process_gathers_its_own():
    """Would fail if the card of a training lost the devices that it ran on."""
    PartialState()
    assert gather_object(["this device"]) == ["this device"]
