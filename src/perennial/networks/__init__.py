"""Shapes and initial weights. One file per network, found by its name."""
