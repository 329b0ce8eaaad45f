"""The real entry point against a fake Pulumi engine, over gRPC on loopback."""
