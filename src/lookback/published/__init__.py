"""Numbers that papers printed: curves and tables, each with a note of where it was read; and the sizes of models."""
