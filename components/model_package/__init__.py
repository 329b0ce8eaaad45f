"""The contract of a model package, shared by the steps that make it, the endpoints that serve it and `mlops`.

The core needs numpy and onnxruntime, and is all that an endpoint loads:

    package                 the folder: its files, how it is found, proven, read and written
    schema                  columns, limits, slices, decision threshold; schema_file reads schema.yml
    rows                    rules for values; a request, a CSV or a parquet file as the model's input
    runtime, runtimes       the model, opened for scoring; what runs each kind of model
    tasks                   each task behind one interface: its output, valid answers, decision rule, metrics
    baseline, evaluation, golden, provenance, measures      the documents, as frozen objects

What needs more says so in its first lines: statistics (metrics, bootstrap, drift), collected (requests and outcomes),
monitoring, reports, steps.
"""

__version__ = "1.0.0"
