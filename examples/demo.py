"""Suggests hashtags for five rendered clips that the bundled model never saw, or for a clip of yours.

```bash
python examples/demo.py
python examples/demo.py my_clip.mp4 --description "first snow in toronto"
python examples/demo.py my_clip.mp4 --model path-or-hub-id
```
"""

import argparse
import sys
import tempfile
from pathlib import Path

from transformers import pipeline
from transformers.utils import logging

from transformers_ggm import HashtagGenerationPipeline
from transformers_ggm.data.rendered_shorts import ClipRecipe, render_clip, sample_recipes
from transformers_ggm.errors import CheckpointError, InputError, MediaError

# The model was trained on the train split of this seed, and measured on the first 600 clips of its test split. Later
# ones were not used for anything; these five differ in look and sound. Another seed would hold out other compounds
# (such as #bluesquare) than those that this model's training lacked.
TRAINING_SEED = 0
FIRST_CLIP = 605
NUM_CLIPS = 5
MARKS = "novel = not in the hashtag pool; guided = retrieved for the clip and shown to the model; * = the author's too"


def demo_clips(folder: Path) -> dict[str, ClipRecipe]:
    """Renders the demonstration's clips: recipes by path. One in five shows a compound that training never had."""
    recipes = sample_recipes("test", FIRST_CLIP + NUM_CLIPS, TRAINING_SEED)[FIRST_CLIP:]
    clips = {str(folder / f"{recipe.id}.mp4"): recipe for recipe in recipes}
    for path, recipe in clips.items():
        render_clip(recipe, path)
    return clips


def line(name: str, text: str) -> str:
    return f"  {name:<12} {text}"


def suggestion_lines(suggestions: list[dict], authors: set[str]) -> list[str]:
    """One line per suggested hashtag: score, whether the author used it, marks."""
    if not suggestions:
        return [line("suggested", "(nothing)")]
    width = max(len(suggestion["hashtag"]) for suggestion in suggestions)
    rows = []
    for suggestion in suggestions:
        marks = ", ".join(name for name in ("novel", "guided") if suggestion[name])
        star = "*" if suggestion["hashtag"] in authors else " "
        rows.append(f"{suggestion['hashtag']:<{width}}  {suggestion['score']:.2f} {star} {marks}".rstrip())
    return [line("" if index else "suggested", row) for index, row in enumerate(rows)]


def show_recipe(recipe: ClipRecipe, suggestions: list[dict]) -> None:
    """Prints what is in a rendered clip beside what the model says."""
    authors = [f"#{tag}" for tag in recipe.hashtags]
    unseen = "   (a pair that no training clip showed)" if recipe.unseen_compound else ""
    print(f"{recipe.id}, {recipe.duration:.1f} s")
    print(line("description", recipe.description or "(none)"))
    movement = recipe.movement.replace("moving", "moving ") if recipe.movement else "standing still"
    print(line("shows", f"{recipe.colour} {recipe.shape}, {movement}{unseen}"))
    print(line("sounds like", recipe.sound or "(no sound)"))
    print(line("author", " ".join(authors)))
    print("\n".join(suggestion_lines(suggestions, set(authors))), end="\n\n")


def run_on_rendered_clips(suggest: HashtagGenerationPipeline) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clips = demo_clips(Path(folder))
        items = [{"video": path, "description": recipe.description} for path, recipe in clips.items()]
        for recipe, suggestions in zip(clips.values(), suggest(items, batch_size=len(items))):
            show_recipe(recipe, suggestions)


def run_on(clip: str, description: str, suggest: HashtagGenerationPipeline) -> None:
    suggestions = suggest(clip, description=description)
    print(clip)
    print(line("description", description or "(none)"))
    print("\n".join(suggestion_lines(suggestions, set())), end="\n\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Suggests hashtags for rendered clips, or for a clip of yours.")
    parser.add_argument("clip", nargs="?", help="path or URL of a clip (default: five rendered ones)")
    parser.add_argument("--description", default="", help="what the author of the clip wrote")
    parser.add_argument("--model", help="checkpoint folder or Hub id (default: the demonstration model)")
    arguments = parser.parse_args()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        # transformers annotates `pipeline` for its own tasks alone.
        suggest: HashtagGenerationPipeline = pipeline(  # pyright: ignore[reportCallIssue]
            "hashtag-generation",  # pyright: ignore[reportArgumentType]
            model=arguments.model,
        )
        if arguments.model is None:
            size = suggest.model.num_parameters() / 1e6
            print(f"This is a demonstration model ({size:.1f} million parameters), trained on clips rendered by code:")
            print("coloured shapes that move and sound, with sentences about everyday life. It knows nothing else.\n")
        if arguments.clip is None:
            run_on_rendered_clips(suggest)
        else:
            run_on(arguments.clip, arguments.description, suggest)
    except (CheckpointError, InputError, MediaError) as error:
        print(error, file=sys.stderr)
        return 1
    print(MARKS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
