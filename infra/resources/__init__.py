"""The Azure resources: one module for each kind of thing, each a component that shows what others need of it."""
