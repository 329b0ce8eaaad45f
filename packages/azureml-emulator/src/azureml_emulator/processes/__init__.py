"""Child processes: started, watched, stopped as groups, or forked from a server that has their imports."""
