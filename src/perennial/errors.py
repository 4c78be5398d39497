"""The base of all errors that are meant for people: their message is enough, so no traceback is shown."""

from __future__ import annotations


class UserError(Exception):
    """Something that a person can mend. The message has one line for each mistake: where, what, what is allowed."""
