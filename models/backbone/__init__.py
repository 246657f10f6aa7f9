"""The transformer: a Wan 2.1 network over one joined sequence.

attention.py is the seam for softmax(q k) v, positions.py the rotary positions, blocks.py the parts with Wan's names,
transformer.py the network, initialize.py the weights that a training starts from.
"""
