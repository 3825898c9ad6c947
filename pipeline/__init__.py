"""The stages of `dvc.yaml`, one thin module each. They know where files lie; the library in `src/` does not."""

import sys
from pathlib import Path

# The library beside these stages, not the installed one: `dvc exp run --temp` and `--queue` run them in a copy of the
# project, whose code may be older than that of the checkout which is installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
