"""The resources as Azure Resource Manager would be sent them, and Microsoft's models of them."""
