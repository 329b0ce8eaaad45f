"""The fake of GitHub's command line `gh`."""
