"""What a stack's configuration says, as frozen objects that were checked before the first resource."""
