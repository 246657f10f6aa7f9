"""The transformer: a Wan 2.1 network over one joined sequence.

transformer.py is the network, blocks.py its parts with Wan's names. token_selection.py chooses the condition tokens
that a block takes. attention.py is the seam for softmax(q k) v, sequence_parallel.py deals a sequence to several
processes there. positions.py makes the rotary positions, initialize.py the weights that a training starts from.
checks.py refuses inputs that do not fit.
"""
