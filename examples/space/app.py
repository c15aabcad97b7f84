"""Hashtags for shorts, in the browser: a Gradio app that runs on your machine and as a Hugging Face Space.

```bash
python examples/space/app.py                                  # the model that comes with the package
python examples/space/app.py --checkpoint path-or-hub-id
```

A Space has no command line: there `GGM_CHECKPOINT`, `GGM_MAX_UPLOAD_MB` and `GGM_MAX_SECONDS` are set as variables.
Gradio's own variables (`GRADIO_SERVER_NAME`, `GRADIO_SERVER_PORT`, ...) work as always. Nothing is fetched from
elsewhere, by the server or by the page, unless the checkpoint is on the Hub.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

# Read when Gradio is imported: no word to anybody about what runs here.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
import panels
from example_clips import render_examples
from gradio.themes import Default
from suggester import Answer, Suggester, clues_in, visitors_message

from transformers_ggm import HashtagPool
from transformers_ggm.errors import CheckpointError, HashtagError, InputError, MediaError, PoolError
from transformers_ggm.processing import MediaLimits

FOLDER = Path(__file__).resolve().parent
COPY = "Copy hashtags"
# What visitors upload is looked through once in that time, and deleted when it is older.
KEPT_SECONDS = 3600
# As many visitors have a pool of their own; of more, those who were away the longest lose theirs.
MOST_VISITORS = 1000
WELCOME = "Drop a short or record one, or pick an example. Its hashtags appear here."
NOTHING_GIVEN = "Give a short, or a description of more than hashtags."
NOTHING_YET = panels.quiet("Nothing yet.")
DEMONSTRATION = (
    "The model that comes with the package is a demonstration: it has only ever seen rendered clips such as the"
    " examples, and knows nothing of real videos."
)
COPY_HASHTAGS = """async () => {
    const tags = [...document.querySelectorAll("#suggestions [data-hashtag]")].map((chip) => chip.dataset.hashtag);
    const text = tags.join(" ");
    if (navigator.clipboard) {
        await navigator.clipboard.writeText(text);
    } else {  // a page that is neither https nor on this machine
        const area = document.body.appendChild(document.createElement("textarea"));
        area.value = text;
        area.select();
        document.execCommand("copy");
        area.remove();
    }
    return "Copied";
}"""


class SpaceApp:
    """The page and its API, around a checkpoint.

    Args:
        suggester ([`Suggester`]): Answers.
        examples (`list[list[str]]`): Path and description of the example clips.
    """

    def __init__(self, suggester: Suggester, examples: list[list[str]]):
        self.suggester = suggester
        self.examples = examples

    def build(self) -> gr.Blocks:
        """The app, to be launched."""
        with gr.Blocks(
            title="Hashtags for shorts", analytics_enabled=False, delete_cache=(KEPT_SECONDS, KEPT_SECONDS)
        ) as blocks:
            pool = gr.State()
            gr.HTML(self._header(), elem_id="header")
            with gr.Row(elem_id="page"):
                with gr.Column(scale=5, min_width=320):
                    inputs = self._inputs()
                    evidence = self._evidence()
                with gr.Column(scale=6, min_width=320):
                    outputs = self._outputs() | evidence
                    summary, edits = self._pool_editor()
            self._connect(inputs, outputs, pool, summary, edits)
            self._add_api(inputs)
        return blocks

    def _header(self) -> str:
        source = DEMONSTRATION if self.suggester.checkpoint is None else f"Model: {self.suggester.checkpoint}"
        return f"<h1>Hashtags for shorts</h1>{panels.quiet(source)}"

    def _inputs(self) -> dict[str, Any]:
        inputs = {
            "clip": gr.Video(
                label="Short",
                sources=["upload", "webcam"],
                # Sound and picture as they are: anything else would need the `ffmpeg` program.
                include_audio=True,
                webcam_options=gr.WebcamOptions(mirror=False),
                elem_id="clip",
            ),
            "description": gr.Textbox(
                label="Description",
                placeholder="What would you write under it? Hashtags in it do not count.",
                lines=2,
                max_length=2000,
                elem_id="description",
            ),
        }
        recommends = self.suggester.recommends
        inputs["history"] = gr.Textbox(
            label="Hashtags of your earlier posts",
            info="May be left empty. One post a line, the newest first.",
            lines=2,
            max_length=2000,
            visible=recommends,
            elem_id="history",
        )
        inputs["time"] = gr.Textbox(
            label="When it is posted",
            info="May be left empty. With its zone, such as 2026-06-29T16:30:37Z.",
            max_length=40,
            visible=recommends,
            elem_id="time",
        )
        inputs["button"] = gr.Button("Suggest hashtags", variant="primary", elem_id="suggest")
        with gr.Column(elem_id="examples") as inputs["examples"]:
            pass
        return inputs

    def _outputs(self) -> dict[str, Any]:
        with gr.Column(elem_id="hashtags-panel"):
            told = "<small>how likely each is, and what proposed it</small>" if self.suggester.ranks else ""
            gr.HTML(f"<h2>Hashtags {told}</h2>")
            suggestions = gr.HTML(panels.notice(WELCOME), elem_id="suggestions")
            copy = gr.Button(COPY, size="sm", visible=False, elem_id="copy")
        with gr.Column(elem_id="guidance-panel"):
            how = "nearest hashtags of the pool, by cosine similarity"
            if self.suggester.fuses:
                how = "what the sources found, joined, beside the best of it"
            gr.HTML(f"<h2>Guidance <small>{how}</small></h2>")
            guidance = gr.HTML(NOTHING_YET, elem_id="guidance")
        return {"suggestions": suggestions, "copy": copy, "guidance": guidance}

    def _pool_editor(self) -> tuple[gr.HTML, dict[str, Any]]:
        with gr.Column(elem_id="pool-panel", visible=self.suggester.can_edit):
            gr.HTML("<h2>Hashtag pool <small>add what is trending, and see it used at once</small></h2>")
            with gr.Row(elem_id="pool-edits", equal_height=True):
                text = gr.Textbox(
                    show_label=False, label="Hashtags", placeholder="#newtrend #worldcup2026", scale=4, min_width=120,
                    max_length=1000, container=False, elem_id="pool-text",
                )  # fmt: skip
                add = gr.Button("Add", size="md", scale=1, min_width=70, elem_id="pool-add")
                remove = gr.Button("Remove", size="md", scale=1, min_width=90, elem_id="pool-remove")
            problem = gr.HTML("", elem_id="pool-problem")
            summary = gr.HTML(self._summary(None), elem_id="pool")
        return summary, {"text": text, "add": add, "remove": remove, "problem": problem}

    def _evidence(self) -> dict[str, Any]:
        with gr.Column(elem_id="evidence-panel"):
            gr.HTML("<h2>Frames <small>what the model looked at</small></h2>")
            frames = gr.HTML(NOTHING_YET, elem_id="frames")
            gr.HTML("<h2>Sound <small>what the model heard</small></h2>")
            sound = gr.HTML(NOTHING_YET, elem_id="sound")
        return {"frames": frames, "sound": sound}

    def _connect(self, inputs: dict, outputs: dict, pool: gr.State, summary: gr.HTML, edits: dict) -> None:
        given = [inputs["clip"], inputs["description"], pool, inputs["history"], inputs["time"]]
        shown = list(outputs.values())
        run = {
            "inputs": given,
            "outputs": shown,
            "api_visibility": "private",
            "concurrency_id": "model",
            "show_progress_on": outputs["suggestions"],
        }
        with inputs["examples"]:
            examples = gr.Examples(
                self.examples, given[:2], label="Examples, rendered by this app", visible_columns=[0],
                api_visibility="private",
            )  # fmt: skip
        examples.load_input_event.then(self.show, **run)
        inputs["button"].click(self.show, **run)
        for event in (inputs["clip"].upload, inputs["clip"].clear, inputs["clip"].stop_recording):
            event(self.show_nothing, None, shown, api_visibility="private", show_progress="hidden")
        outputs["copy"].click(None, None, outputs["copy"], js=COPY_HASHTAGS, api_visibility="private")
        changed = {
            "inputs": [edits["text"], pool],
            "outputs": [pool, summary, edits["text"], edits["problem"]],
            "api_visibility": "private",
        }
        for event, change in (
            (edits["add"].click, self.add_to_pool),
            (edits["text"].submit, self.add_to_pool),
            (edits["remove"].click, self.remove_from_pool),
        ):
            event(change, **changed).then(self.show_again, **run)

    def _add_api(self, inputs: dict) -> None:
        """One endpoint that keeps nothing between calls. Its arguments are the page's components and hidden ones."""
        arguments = [
            inputs["clip"],
            inputs["description"],
            gr.Number(10, label="Number of hashtags at most", precision=0, minimum=1, visible=False),
            gr.Textbox("", label="Hashtags to add to the pool for this call, for instance '#a #b'", visible=False),
            gr.Textbox("", label="Hashtags to leave out of the pool for this call", visible=False),
            inputs["history"],
            inputs["time"],
        ]
        answer = gr.JSON(label="Answer", visible=False)
        gr.Button(visible=False).click(
            self.suggest_hashtags, arguments, answer, api_name="suggest_hashtags", concurrency_id="model"
        )

    def show(
        self,
        clip: str | None,
        description: str,
        pool: HashtagPool | None = None,
        history: str | None = None,
        time: str | None = None,
    ) -> list[Any]:
        """Everything that the page shows of an answer, in the order of its outputs."""
        try:
            clues = clues_in(history or "", time or "")
        except (HashtagError, InputError) as error:
            return self._shown(panels.notice(visitors_message(error, None), is_error=True))
        try:
            answer = self.suggester.answer(clip, description or "", pool, **clues)
        except InputError:
            return self._shown(panels.notice(NOTHING_GIVEN, is_error=True))
        except MediaError as error:
            return self._shown(panels.notice(visitors_message(error, clip), is_error=True))
        return self._shown(panels.chips(answer.hashtags), answer, pool)

    def show_again(
        self, clip: str | None, description: str, pool: HashtagPool | None, history: str | None, time: str | None
    ) -> list[Any]:
        """The answer with a pool that was just changed, where there is something to answer."""
        return self.show(clip, description, pool, history, time) if clip or description else self.show_nothing()

    def show_nothing(self) -> list[Any]:
        """What the page shows before the first answer."""
        return self._shown(panels.notice(WELCOME))

    def _shown(self, suggestions: str, answer: Answer | None = None, pool: HashtagPool | None = None) -> list[Any]:
        if answer is None:
            return [suggestions, gr.Button(visible=False), *[NOTHING_YET] * 3]
        written = {tag["hashtag"] for tag in answer.hashtags}
        own = self.suggester.pool or ()
        added = {f"#{tag}" for tag in pool or () if tag not in own}
        return [
            suggestions,
            gr.Button(COPY, visible=bool(written)),
            panels.guidance_rows(answer.guidance, written, added, self.suggester.fuses),
            panels.gallery(answer.media),
            panels.sound(answer.media, self.suggester.sampling_rate is not None),
        ]

    def add_to_pool(self, hashtags: str, pool: HashtagPool | None) -> tuple[HashtagPool | None, str, str, str]:
        """
        A visitor's pool with hashtags added; its summary, the text that is left to mend, and what is wrong with it.
        """
        return self._edit(pool, hashtags, add=hashtags)

    def remove_from_pool(self, hashtags: str, pool: HashtagPool | None) -> tuple[HashtagPool | None, str, str, str]:
        """As [`~SpaceApp.add_to_pool`], with hashtags removed."""
        return self._edit(pool, hashtags, remove=hashtags)

    def _edit(self, pool: HashtagPool | None, text: str, **change: str) -> tuple[HashtagPool | None, str, str, str]:
        problem = ""
        try:
            pool, text = self.suggester.edited(pool, **change), ""
        except (HashtagError, PoolError) as error:
            problem = panels.notice(visitors_message(error, None), is_error=True)
        return pool, self._summary(pool), text, problem

    def _summary(self, pool: HashtagPool | None) -> str:
        own = self.suggester.pool
        return "" if own is None else panels.pool_summary(pool or own, own)

    def suggest_hashtags(
        self,
        clip: str | None = None,
        description: str | None = None,
        top_n: int = 10,
        add_to_pool: str = "",
        remove_from_pool: str = "",
        history: str | None = None,
        time: str | None = None,
    ) -> dict[str, Any]:
        """Suggests hashtags for a short.

        Args:
            clip: The short, a video file. May be missing where there is a description.
            description: What its author wrote.
            top_n: How many hashtags at most.
            add_to_pool: Hashtags to take guidance from beside those of the pool, in this call alone: "#a #b".
            remove_from_pool: Hashtags not to take guidance from, in this call alone.
            history: Hashtags of the author's earlier posts, a post a line, the newest first.
            time: When the short is posted, ISO 8601 with its zone.

        Returns:
            `hashtags` (each with `hashtag`, `score`, `novel` and `guided`, and with `sources` where the model
            recommends, best first), `guidance` (each with `hashtag` and `score`, best first) and `frame_times`
            (seconds).
        """
        if (add_to_pool or remove_from_pool) and not self.suggester.can_edit:
            raise gr.Error("This model has no hashtag pool to change.", print_exception=False)
        try:
            pool = self.suggester.edited(None, add_to_pool or "", remove_from_pool or "")
            clues = clues_in(history or "", time or "")
            answer = self.suggester.answer(clip, description or "", pool, top_n=top_n, **clues)
        except (HashtagError, InputError, MediaError, PoolError) as error:
            raise gr.Error(visitors_message(error, clip), print_exception=False) from error
        times = [] if answer.media is None else answer.media.timestamps.tolist()
        return {"hashtags": answer.hashtags, "guidance": answer.guidance, "frame_times": times}


def make_theme() -> gr.Theme:
    """A calm theme in the fonts of the visitor's own machine."""
    return Default(
        primary_hue="teal",
        neutral_hue="slate",
        font=["ui-sans-serif", "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "monospace"],
    )


def read_options() -> argparse.Namespace:
    """The command line; what it does not say is taken from the environment."""
    parser = argparse.ArgumentParser(description="Hashtags for shorts, in the browser.")
    parser.add_argument(
        "--checkpoint",
        default=os.environ.get("GGM_CHECKPOINT") or None,
        help="folder or Hub id (default: GGM_CHECKPOINT, else the demonstration model)",
    )
    parser.add_argument(
        "--max_upload_mb",
        type=float,
        default=os.environ.get("GGM_MAX_UPLOAD_MB", "100"),
        help="size of a clip's file at most, in MB (default: GGM_MAX_UPLOAD_MB, else 100)",
    )
    parser.add_argument(
        "--max_seconds",
        type=float,
        default=os.environ.get("GGM_MAX_SECONDS", "180"),
        help="length of a clip at most, in seconds (default: GGM_MAX_SECONDS, else 180)",
    )
    return parser.parse_args()


def main() -> int:
    options = read_options()
    max_bytes = round(options.max_upload_mb * 1e6)
    limits = MediaLimits(max_bytes=max_bytes, max_seconds=options.max_seconds)
    try:
        suggester = Suggester(options.checkpoint, limits)
    except (CheckpointError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="ggm-examples-") as folder:
        app = SpaceApp(suggester, render_examples(Path(folder))).build()
        app.queue(max_size=32).launch(
            theme=make_theme(),
            css_paths=FOLDER / "style.css",
            max_file_size=max_bytes,
            state_session_capacity=MOST_VISITORS,
            footer_links=["api"],
            ssr_mode=False,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
