"""The Blob service: reads, writes, lists, and the format of its replies."""
