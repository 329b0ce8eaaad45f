"""How a repository is protected by its forge, held against releases/protection.yml. Reads settings, changes none."""
