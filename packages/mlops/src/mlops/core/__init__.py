"""What every floor may use: errors, results, git, documents, programs; knows nothing of Azure nor of models."""
