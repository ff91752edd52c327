"""Plugins that each do one thing wrong."""
