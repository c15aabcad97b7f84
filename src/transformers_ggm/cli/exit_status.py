"""What every command of `ggm` has in common: how it ends, and how it tells of that."""

import logging
import os
import sys

import typer
from typer.core import TyperCommand

logger = logging.getLogger("transformers_ggm")


class Command(TyperCommand):
    """
    A command whose exit status says what came of it: 0; 1 and a line on stderr for what this package raises and for
    what the file system does; 2 for wrong usage; 130 for Ctrl-C. What a function returns is its status.
    """

    def invoke(self, ctx: typer.Context) -> None:
        try:
            status = super().invoke(ctx)
            # Here, where a pipe that nobody reads any more is told.
            sys.stdout.flush()
        except KeyboardInterrupt:
            print(f"Interrupted. {self._after_interruption()}".strip(), file=sys.stderr)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # Whoever read has enough, such as `head`. Python would complain at its end, when it flushes once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except (OSError, ValueError, ImportError) as error:
            logger.debug("Where it was raised:", exc_info=True)
            print(error, file=sys.stderr)
            raise typer.Exit(1) from None
        raise typer.Exit(status or 0)

    def _after_interruption(self) -> str:
        return "The same command goes on where this one was." if self.name in _RESUMED else ""


# Commands that find again what they had done.
_RESUMED = ("experiments", "prepare", "render-shorts", "tag", "train")
# These hand all their arguments to a parser of dataclasses, which makes their --help, too.
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
SETTINGS = {"no_args_is_help": True, "add_completion": False, "rich_markup_mode": None}
