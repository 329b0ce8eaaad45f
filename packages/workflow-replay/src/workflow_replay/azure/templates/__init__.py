"""Pipeline files and their templates: from YAML with `${{ }}` to one tree without."""
