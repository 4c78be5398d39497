"""Test accuracy of a classification while a task is being learnt."""

from __future__ import annotations

from perennial.measures.test_accuracy import measure

__all__ = ["AXES", "DESCRIPTION", "KIND", "SOURCE", "UNITS", "measure"]

KIND, AXES = "test", ("epoch",)
UNITS = "percent"
DESCRIPTION = "share of the task's test examples classified correctly after each pass over the task"
SOURCE = "Nature 2024, Fig. 1 (there after the last pass)"
