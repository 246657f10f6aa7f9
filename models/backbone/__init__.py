"""The transformer: a Wan 2.1 network over one joined sequence.

transformer.py is the network, blocks.py its parts with Wan's names. attention.py is the seam for softmax(q k) v,
positions.py makes the rotary positions, initialize.py the weights that a training starts from.
"""
