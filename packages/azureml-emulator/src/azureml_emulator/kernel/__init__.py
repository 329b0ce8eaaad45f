"""What every part rests on: settings, errors, resource ids, the table of kinds, the store, operations."""
