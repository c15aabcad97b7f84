"""The stage `posts`: the training posts, to be searched by what they say."""

from ..retrieval import PostIndex, TextEncoder
from ..utils.files import atomic_folder
from .run import TrainingRun, remove
from .run_sources import posts_encoder


def index_posts(run: TrainingRun) -> None:
    """
    Writes `checkpoint/text_encoder`, the sentence encoder where there is one, and `checkpoint/posts`, the index of the
    training posts: by shared words, and by the vectors of that encoder or of a retriever that reads descriptions. The
    posts' words are stored only where they are to be examples.
    """
    if run.is_done("posts", *run.outputs("posts")):
        return
    if run.process.is_main_process:
        remove(run.folders.text_encoder)
        if run.source.text_encoder is not None:
            with atomic_folder(run.folders.text_encoder) as folder:
                TextEncoder.from_pretrained(run.source.text_encoder).save_pretrained(folder)
        if "posts" in run.source.sources:
            stores_text = run.source.num_examples > 0
            index = PostIndex.build(run.shorts.posts("train"), posts_encoder(run), store_text=stores_text)
            index.save_pretrained(run.folders.posts)
    run.process.wait_for_everyone()
