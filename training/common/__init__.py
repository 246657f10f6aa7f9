"""What every training shares: settings.py reads configs, state.py saves and resumes, optimizers.py holds optimizers,
learning rate and the moving average, log.py the log, the plot and the sheets.
"""
