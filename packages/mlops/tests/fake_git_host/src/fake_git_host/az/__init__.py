"""The fake of `az`, the command line of Azure, for Azure DevOps."""
