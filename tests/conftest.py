"""Puts this folder on the import path: helpers that several kinds of tests share live beside this file."""
