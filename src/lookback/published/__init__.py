"""What papers printed: curves and tables, each from a file that says where it was read; and the sizes of models."""
