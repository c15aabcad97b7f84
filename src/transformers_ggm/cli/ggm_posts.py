"""`ggm posts`: indexes of tagged posts."""

from pathlib import Path
from typing import Annotated

import typer

from .exit_status import SETTINGS, Command
from .shared_options import Address, Engine, GpusPerModel, refuse_without_ray

posts_commands = typer.Typer(help="Make indexes of tagged posts, whose hashtags are proposed.", **SETTINGS)


@posts_commands.command("build", cls=Command)
def build_posts(
    posts: Annotated[str, typer.Argument(help="tagged posts: a folder, a table or tars; of several splits, train")],
    output_dir: Annotated[Path, typer.Option("--output_dir", help="folder to write; new or empty")],
    text_encoder: Annotated[
        str | None,
        typer.Option(
            "--text_encoder",
            help="folder or Hub id of a sentence encoder; without one, posts are searched by shared words alone",
        ),
    ] = None,
    store_text: Annotated[bool, typer.Option("--store_text", help="keep the words of the posts")] = False,
    engine: Engine = None,
    address: Address = None,
    num_models: Annotated[
        int | None, typer.Option("--num_models", help="actors that encode, with --engine ray; 1 by default")
    ] = None,
    gpus_per_model: GpusPerModel = None,
) -> None:
    """
    Make an index of tagged posts, which `ggm compose --posts` takes.

    On a Ray cluster the same command goes on where one was cut off.

    \b
    Example:
      ggm posts build posts.jsonl --text_encoder sentence-transformers/all-MiniLM-L6-v2 --output_dir posts
      ggm posts build s3://bucket/posts.parquet --text_encoder sentence-transformers/all-MiniLM-L6-v2
        --output_dir posts --engine ray --address auto --num_models 8 --gpus_per_model 0.5
    """
    on_ray = {"address": address, "num_models": num_models, "gpus_per_model": gpus_per_model}
    if engine == "ray":
        from ..cluster.index_posts_bulk import index_posts_bulk

        given = {name: value for name, value in on_ray.items() if value is not None}
        index_posts_bulk(posts, output_dir, text_encoder, store_text=store_text, **given)
    else:
        refuse_without_ray(on_ray)
        _build_here(posts, output_dir, text_encoder, store_text)
    print(f"The index of posts is {output_dir}. Recommend their hashtags:")
    encoder = "" if text_encoder is None else f" --text_encoder {text_encoder}"
    print(f"  ggm compose --posts {output_dir}{encoder} --output_dir starter")


def _build_here(posts: str, output_dir: Path, text_encoder: str | None, store_text: bool) -> None:
    from ..cluster.index_posts_bulk import split_of_posts
    from ..data.sources import open_shorts
    from ..retrieval import PostIndex, TextEncoder

    splits = open_shorts(posts)
    rows = splits[split_of_posts(splits, posts)].rows()
    encoder = None if text_encoder is None else TextEncoder.from_pretrained(text_encoder)
    PostIndex.build(rows, encoder, store_text=store_text).save_pretrained(output_dir)
