"""Model families: presets.py holds the configs that a training starts from, by name."""
