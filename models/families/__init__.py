"""What a file or MODEL is, and what it takes.

family.py says what a family of public models is (plain data). presets.py holds the configs that a training starts from,
by name.
"""
