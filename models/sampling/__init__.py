"""From noise to a latent: flow.py is the straight line, schedules.py the times, sampler.py guidance and solvers."""
