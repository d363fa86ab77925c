"""Search of settings by Optuna: space, study, trials and results."""
