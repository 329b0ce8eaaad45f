"""From the document of a job to the graph of its steps, and the scheduling of steps. Pure: no I/O."""
