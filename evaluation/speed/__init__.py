"""How fast the networks are beside others' code for the same ones (`fulldit bench speed`).

benchmark.py runs it all and writes the table. clock.py times work in turn and finds its peak of memory. networks.py
holds the steps of the backbone, with and without conditions; autoencoders.py encodes and decodes; peers.py has the same
networks as diffusers and ComfyUI have them. block_importance.py tells which blocks conditions need most.
"""
