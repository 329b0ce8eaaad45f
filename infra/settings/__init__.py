"""What a stack's configuration says, as frozen objects that are checked before the first resource is declared."""
