"""Every measure of a window of a released model's requests and answers (extra `monitoring`). Judges nothing."""
