"""Points of curves: how they are averaged over sentences, written and read again. Needs no torch, as the report."""
