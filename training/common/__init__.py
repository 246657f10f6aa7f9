"""What every training shares.

settings.py reads config files, entries.py checks their entries against types and ranges, precision.py picks the number
format. optimizers.py holds Muon and the learning rate, ema.py the averaged weights. loop.py counts steps and time and
heeds SIGTERM, state.py saves and resumes, distributed.py keeps several processes in step, log.py writes the log, the
plot and the sheets.
"""
