"""Fixtures of the pool's tests."""

import pytest
from retrieval_stand_ins import StandInProcessor, StandInRetriever


@pytest.fixture
def retriever():
    return StandInRetriever()


@pytest.fixture
def processor():
    return StandInProcessor()
