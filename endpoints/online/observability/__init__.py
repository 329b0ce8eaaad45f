"""What is recorded of the requests that the endpoint answers: metrics, traces, and collected data for monitoring."""
