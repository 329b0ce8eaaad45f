"""Rows on their way into the model: one set of rules for a JSON request, a CSV file and a parquet file."""
