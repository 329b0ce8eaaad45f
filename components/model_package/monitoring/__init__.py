"""Every measure of a window of what a released model was asked and answered (extra `monitoring`). Judges nothing."""
