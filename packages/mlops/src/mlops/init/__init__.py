"""Makes the project's files from a table: looks at it, and proposes its columns and its task."""
