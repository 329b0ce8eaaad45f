"""Components, pipelines and their bindings, checked as Azure ML would check them."""
