"""`python -m transformers_ggm` is the command `ggm`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
