"""`ggm export`: the models of a checkpoint for other libraries."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    checkpoint: Annotated[Path, typer.Argument(help="folder of a checkpoint")],
    clips: Annotated[
        Path, typer.Option("--clips", help="a clip, or a folder of them; with --int8 twenty or more of your own")
    ],
    format: Annotated[
        Literal["openvino", "onnx"],
        typer.Option("--format", help="openvino, which the pipeline runs, or onnx, which it does not"),
    ] = "openvino",
    int8: Annotated[
        bool, typer.Option("--int8", help="for OpenVINO, in eight bits as well, calibrated by clips")
    ] = False,
    output_dir: Annotated[
        Path | None, typer.Option("--output_dir", help="for the files of ONNX; onnx/ in the checkpoint by default")
    ] = None,
    max_clips: Annotated[int, typer.Option("--max_clips", min=1, help="clips that are looked at")] = 32,
) -> None:
    """
    Convert the encoders of a checkpoint, and its decoder, for OpenVINO or ONNX.

    What is made for OpenVINO is put into the checkpoint, and pipeline(..., backend="openvino") takes it from there.

    \b
    Example:
      ggm export outputs/ggm/checkpoint --clips clips --int8
      ggm export outputs/ggm/checkpoint --clips clip.mp4 --format onnx
    """
    from transformers import pipeline

    from ..backends import export_onnx, export_openvino

    if format == "onnx" and int8:
        raise typer.BadParameter("--int8: only with --format openvino.")
    if format == "openvino" and output_dir is not None:
        raise typer.BadParameter("--output_dir: only with --format onnx.")
    items = [{"video": str(clips)}] if clips.is_file() else _items_of(clips)[:max_clips]
    suggest = pipeline("hashtag-generation", model=str(checkpoint), device="cpu", dtype="float32")
    if format == "onnx":
        folder = output_dir or checkpoint / "onnx"
        written = export_onnx(suggest, items, folder)
    else:
        folder = checkpoint / "openvino"
        written = export_openvino(suggest, items, checkpoint, int8)
    print(f"Written to {folder}: {', '.join(written)}")


def _items_of(folder: Path) -> list[dict[str, str]]:
    """The clips of a folder, with what its metadata says of them."""
    from ..data.clip_files import FolderContents
    from ..data.sources.metadata import FolderMetadata

    contents = FolderContents.of(folder)
    contents.require_clips(folder)
    metadata = FolderMetadata(folder, contents)
    return [{"video": str(folder / name), "description": metadata.description(name)} for name in contents.clips]


__all__ = ["export"]
