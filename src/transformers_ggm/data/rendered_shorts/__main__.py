"""Renders a folder of shorts.

```bash
python -m transformers_ggm.data.rendered_shorts --output_dir shorts
```
"""

import argparse
import sys

from .render import render_shorts


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and gives the exit status: 0, or 1 with a line on stderr that says what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m transformers_ggm.data.rendered_shorts",
        description="Renders a folder of short clips whose hashtags have known causes.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--output_dir", required=True, help="folder to write")
    parser.add_argument("--num_train", type=int, default=3000, help="clips in the train split")
    parser.add_argument("--num_validation", type=int, default=240, help="clips in the validation split")
    parser.add_argument("--num_test", type=int, default=600, help="clips in the test split")
    parser.add_argument("--seed", type=int, default=0, help="decides everything in the clips")
    parser.add_argument("--size", type=int, default=96, help="width and height in pixels")
    parser.add_argument("--num_workers", type=int, default=None, help="processes (None: one a core)")
    parser.add_argument("--overwrite", action="store_true", help="render finished splits again")
    try:
        written = render_shorts(**vars(parser.parse_args(arguments)))
    except (OSError, ValueError) as error:  # what this package raises, and what the file system does
        print(error, file=sys.stderr)
        return 1
    for split, metadata_file in written.items():
        with open(metadata_file, encoding="utf-8") as lines:
            print(f"{split}: {sum(1 for _ in lines)} clips in {metadata_file.parent}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
