"""How it learns: VAE, data, generator and estimators, each a stage with its configs in `configs/`; all of it resumes."""
