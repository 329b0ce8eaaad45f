"""Resources in the form that Azure Resource Manager is sent, validated with Microsoft's models and checkov."""
