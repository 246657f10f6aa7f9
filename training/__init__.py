"""How it learns: VAE, data, generator, estimators; each a stage with configs in `configs/`, and all of it resumes."""
