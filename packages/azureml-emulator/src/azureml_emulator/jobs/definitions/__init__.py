"""What jobs consist of: steps, states, command lines, values on the wire. Pure: no I/O."""
