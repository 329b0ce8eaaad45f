"""Release manifests: which model each stage runs, from where, and how it is rolled out."""
