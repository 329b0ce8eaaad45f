"""A job's document as values: steps, states, command lines, the wire's small forms. Pure: no I/O."""
