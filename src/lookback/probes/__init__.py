"""Measures on models, trained and untrained, such as what a state remembers and where a decoder looks."""
