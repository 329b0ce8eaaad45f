"""A stand-in for the Pulumi engine: what `pulumi up` says to the program, over gRPC, on this machine."""
