"""A hashtag pool on the Hub, and the card that lies beside it."""

import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import CommitInfo

from ..utils.hub_commits import commit_files
from ..utils.remote_code_fields import IS_REMOTE_CODE
from .pool_files import CARD_FILE, POOL_FILES, USES_FILE


def push_pool(pool: Any, repo_id: str, subfolder: str, **options: Any) -> CommitInfo:
    """
    Uploads a pool, see [`HashtagPool.push_to_hub`].

    Args:
        pool ([`HashtagPool`]): Not changed meanwhile.
        repo_id, subfolder (`str`): Where to.
        options: As of [`~utils.hub_commits.commit_files`].
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "hashtag_pool"
        pool.save_pretrained(folder, create_model_card=False)
        files = [name for name in (*POOL_FILES, USES_FILE) if (folder / name).is_file()]

        def edit_card(full_id: str, card: str | None) -> str | None:
            return card_of(pool, card, create=not subfolder, repo_id=full_id)

        return commit_files(
            {str(PurePosixPath(subfolder, name)): folder / name for name in files},
            repo_id,
            edits={str(PurePosixPath(subfolder, CARD_FILE)): edit_card},
            **options,
        )


def card_of(pool: Any, card: str | None, create: bool, **place: str) -> str | None:
    """
    The card of a pool as it is now, from the one that is there; `None` for none.

    Args:
        pool ([`HashtagPool`]): Not changed meanwhile.
        card (`str`, *optional*): Of which only the facts are written anew.
        create (`bool`): Whether to write one where there is none.
        place (`str`): The `repo_id` where the pool is to be.
    """
    if IS_REMOTE_CODE:
        # The templates of cards stay with the package.
        return card
    # Not above, since cards tell of pools.
    from ..hub_cards.pool_card import make_pool_card, pool_card_facts, with_new_facts

    facts = (pool.hashtags, pool.counts, pool.dim, pool.retriever_fingerprint)
    if card is not None:
        return with_new_facts(card, pool_card_facts(*facts))
    return make_pool_card(*facts, **place) if create else None
