"""Model families: presets.py holds the configs of this package's own."""
