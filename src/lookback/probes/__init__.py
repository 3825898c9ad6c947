"""Measures on models, trained and untrained, one file a subject: what a state remembers, where a decoder looks."""
