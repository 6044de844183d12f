"""Scores beside their controls: the engine's room, and the table that all studies start from."""
