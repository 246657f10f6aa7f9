"""Encoded clips as WebDataset shards: tar files that any tool reads, and that training reads at any place.

sample.py is one encoded clip as bytes. pack.py bundles clips into shards, by the number of their tokens. tar_index.py
says where in a shard each clip is, tar_clips.py reads the clips of one size as a training wants them. shard_dataset.py
has those of all sizes for PyTorch's loaders, seeded_batches.py draws batches that depend on seed and step alone.
"""
