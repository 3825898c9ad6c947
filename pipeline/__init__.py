"""The stages of `dvc.yaml`, one thin module each. They know the file layout; the library in `src/` does not."""

import sys
from pathlib import Path

# Use the library beside these stages, not the installed one: `dvc exp run --temp` and `--queue` run the stages in a
# copy of the project, whose code may be older than the installed checkout.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
