"""From noise to a latent.

flow.py is the straight line between data and noise, schedules.py the times at which the network is asked, sampler.py
guidance and solvers, kept.py what of a clip is there already and stays, windows.py long clips by windows. guidance.py
is guidance as a sum over any number of passes, for the host's samplers.
"""
