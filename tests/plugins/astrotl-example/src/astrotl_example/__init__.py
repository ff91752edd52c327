"""Texture for astrotl: how much of an image's structure is on which scale."""
