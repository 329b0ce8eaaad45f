"""From a job's document to the graph of its steps, and which step comes next. Pure: no I/O."""
