"""What a step reads: references resolved, files of the web downloaded, tables with paths of this machine."""
