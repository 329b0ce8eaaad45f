"""What benchmarks share: figures beside their limits, a load generator, processor time, peers to compare with."""
