"""What others are told of: drift found, a release rolled out or back, as CloudEvents on an Event Grid topic."""
