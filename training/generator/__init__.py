"""The generator: train_generator.py with batches.py (what a step sees), held_out.py (how it does on clips it never
saw) and start.py (what it begins with).
"""
