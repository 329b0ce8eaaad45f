"""The Blob service's routes: reads, writes, lists and the shapes of its replies."""
