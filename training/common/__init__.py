"""What every training shares.

settings.py reads config files, entries.py checks their entries against types and ranges, precision.py picks the number
format. optimizers.py holds Muon and the learning rate, ema.py the averaged weights. loop.py counts steps and time and
heeds SIGTERM, state.py saves and resumes, by the files of sharded_files.py. distributed.py keeps several processes in
step, sharding.py gives each a share of the weights. log.py writes the log, the plot and the sheets, tracking.py shows
figures in TensorBoard or Weights & Biases.
"""
