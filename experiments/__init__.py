"""Trainings too long for a chapter: `python -m experiments NAME` runs them and keeps each run."""
