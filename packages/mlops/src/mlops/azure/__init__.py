"""The clients of Azure ML, its storage and Azure Monitor, and the login behind them."""
